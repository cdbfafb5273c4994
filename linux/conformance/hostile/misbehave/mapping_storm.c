// Thousands of mappings that cannot be merged, mapped and unmapped by several processes at once.
#include "witness.h"
int main(void) {
    start_witness();
    pid_t pid[3];
    for (int i = 0; i < 3; i++) pid[i] = SPAWN(
        int n = 0;
        char *all = mmap(NULL, 20000 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (; n < 5000; n++) if (mprotect(all + n * 4 * PAGE, PAGE, PROT_READ | PROT_WRITE)) break;
        if (n < 1000) _exit(9);
        for (int j = 0; j < n; j += 50) all[j * 4 * PAGE] = 1;
        for (int j = 0; j < 3000; j++) munmap(mmap(NULL, PAGE * (1 + j % 7), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
        munmap(all, 20000 * PAGE);
        _exit(5));
    for (int i = 0; i < 3; i++) how("mapper", reap(pid[i]));
    ask_witness();
    end_witness();
    return 0;
}
