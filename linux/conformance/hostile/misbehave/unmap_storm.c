/* Tens of thousands of mappings of files, given back by one call while there is little memory: giving back takes none. */
#include "witness.h"
static long free_kib(void) {
    char text[2048], *line = strstr(get_file("/proc/meminfo", text, sizeof text), "MemFree:");
    return line ? atol(line + 8) : 0;
}
int main(void) {
    int real = getenv("CONFORMANCE_GUEST") != NULL, ready[2], go[2];
    start_witness();
    pipe(ready);
    pipe(go);
    pid_t pid = SPAWN(
        char c;
        int n = 0, files[2] = {memfd_create("one", 0), memfd_create("other", 0)};
        char *all = mmap(NULL, 64000 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (; n < 64000; n++)
            if (mmap(all + n * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, files[n % 2], 0) == MAP_FAILED) break;
        close(files[0]);
        close(files[1]);
        if (n < 64000) _exit(9);
        write(ready[1], "x", 1);
        read(go[0], &c, 1);
        _exit(munmap(all, 64000 * PAGE) ? 8 : 5));
    char c;
    read(ready[0], &c, 1);
    pid_t hog = SPAWN(
        char c;
        for (int pages = 0; real && free_kib() > 12 * 1024 && pages < 1 << 18; pages += 64) {
            char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED) break;
            memset(p, 1, 64 * PAGE);
        }
        write(ready[1], "x", 1);
        pause());
    read(ready[0], &c, 1);
    write(go[1], "x", 1);
    how("mapper", reap(pid));
    kill(hog, SIGKILL);
    how("hog", reap(hog));
    ask_witness();
    end_witness();
    return 0;
}
