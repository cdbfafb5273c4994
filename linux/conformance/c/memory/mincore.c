// static. mincore: touched pages are in memory; its errors.
#include "check.h"
int main(void) {
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned char v[4];
    p[0] = p[2 * PAGE] = 1;
    CALL(mincore(p, 4 * PAGE, v));
    printf("%d %d %d %d\n", v[0] & 1, v[1] & 1, v[2] & 1, v[3] & 1);
    CALL(mincore(p, PAGE + 1, v));
    CALL(mincore(p + 1, PAGE, v));
    CALL(mincore(p, PAGE, (void *)1));
    munmap(p + PAGE, PAGE);
    CALL(mincore(p, 4 * PAGE, v));
    CALL(mincore(p, 0, v));
    return 0;
}
