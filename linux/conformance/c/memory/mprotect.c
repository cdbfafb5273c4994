// static. mprotect: what may be done to a page, with the codes of the faults, across several mappings at once.
#include "check.h"
int main(void) {
    catch_faults();
    volatile char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[0] = p[PAGE] = p[2 * PAGE] = 1;
    CALL(mprotect((void *)(p + PAGE), PAGE, PROT_READ));
    FAULT(p + PAGE, p[PAGE] = 2);
    FAULT(p + PAGE, p[PAGE]);
    CALL(mprotect((void *)p, 3 * PAGE, PROT_NONE));
    FAULT(p, p[0]);
    FAULT(p + 2 * PAGE + 7, p[2 * PAGE + 7] = 1);
    CALL(mprotect((void *)p, 3 * PAGE, PROT_READ | PROT_WRITE));
    printf("kept %d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
    munmap((void *)(p + PAGE), PAGE);
    CALL(mprotect((void *)p, 3 * PAGE, PROT_READ));
    FAULT(p, p[0] = 1);
    FAULT(p + PAGE, p[PAGE]);
    p[2 * PAGE] = 3;
    printf("after the hole %d\n", p[2 * PAGE]);
    FAULT(NULL, *(volatile char *)NULL);
    FAULT(0x1234567, *(volatile char *)0x1234567 = 1);
    return 0;
}
