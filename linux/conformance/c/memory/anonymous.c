// static. Private anonymous mappings: zeroed, page-aligned, apart, unmapped again; a hint is followed or not, never MAP_FIXED.
#include "check.h"
int main(void) {
    catch_faults();
    char *p = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    YES(p != MAP_FAILED && ((uintptr_t)p & 4095) == 0);
    int zero = 1;
    for (size_t i = 0; i < 5 * PAGE; i++) zero &= p[i] == 0;
    YES(zero);
    memset(p, 1, 5 * PAGE);
    CALL(munmap(p + PAGE, PAGE));
    FAULT(p + PAGE, p[PAGE]);
    YES(p[0] == 1 && p[2 * PAGE] == 1);
    CALL(munmap(p, 5 * PAGE));
    CALL(munmap(p, 5 * PAGE));
    FAULT(p, p[0] = 1);
    char *q = mmap(p, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    YES(q == p);
    q[PAGE - 1] = 1;
    char *r = mmap(q, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    YES(r != MAP_FAILED && r != q && q[PAGE - 1] == 1);
    return 0;
}
