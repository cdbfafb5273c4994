// A memory hog with a limit on its address space: refused, and lives.
#include "witness.h"
int main(void) {
    start_witness();
    how("hog", CHILD(
        struct rlimit l = {64 << 20, 64 << 20};
        setrlimit(RLIMIT_AS, &l);
        int n = 0;
        char *p;
        while (n < 1000 && (p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED) memset(p, 1, 1 << 20), n++;
        printf("refused before the limit: %d, %s\n", n <= 64 && n > 30, name_of(errno));
        printf("brk refused: %d\n", (char *)sbrk(64 << 20) == (char *)-1);
        YES(malloc(128 << 20) == NULL)));
    ask_witness();
    end_witness();
    return 0;
}
