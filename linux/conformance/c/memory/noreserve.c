// static. Large NORESERVE mappings cost nothing until touched, and are sparse afterwards.
#include "check.h"
static long resident_kib(void) {
    char text[4096], *line = strstr(get_file("/proc/self/status", text, sizeof text), "VmRSS:");
    return line ? atol(line + 6) : -1;
}
int main(void) {
    size_t size = 8UL << 30;
    long before = resident_kib();
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    YES(p != MAP_FAILED);
    for (size_t i = 0; i < 8; i++) p[i << 30] = i + 1;
    int sum = 0;
    for (size_t i = 0; i < 8; i++) sum += p[(i << 30)] + p[(i << 30) + (1 << 29)];
    printf("sum %d\n", sum);
    long grown = resident_kib() - before;
    YES(before > 0 && grown < 64 * 1024);
    char *none = mmap(NULL, 64UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    YES(none != MAP_FAILED);
    CALL(mprotect(none + (32UL << 30), PAGE, PROT_READ | PROT_WRITE));
    none[32UL << 30] = 1;
    how("fork with it", CHILD(p[0] = 99; _exit(p[1UL << 30])));
    printf("%d\n", p[0]);
    CALL(munmap(none, 64UL << 30));
    CALL(munmap(p, size));
    return 0;
}
