// static. The break: where it is, growing zeroed, shrinking, growing again zeroed, refusing what cannot be.
#include "check.h"
int main(void) {
    catch_faults();
    char *start = (char *)syscall(SYS_brk, 0);
    YES(start != NULL);
    char *aligned = (char *)(((uintptr_t)start + 4095) & ~4095UL);
    YES((char *)syscall(SYS_brk, aligned + 3 * PAGE) == aligned + 3 * PAGE);
    int zero = 1;
    for (size_t i = 0; i < 3 * PAGE; i++) zero &= aligned[i] == 0;
    YES(zero);
    memset(aligned, 5, 3 * PAGE);
    YES((char *)syscall(SYS_brk, aligned + PAGE + 1) == aligned + PAGE + 1);
    FAULT(aligned + 2 * PAGE, aligned[2 * PAGE]);
    printf("within the page %d\n", aligned[PAGE + 100]);
    YES((char *)syscall(SYS_brk, aligned + 3 * PAGE) == aligned + 3 * PAGE);
    printf("grown again %d %d\n", aligned[0], aligned[2 * PAGE]);
    YES((char *)syscall(SYS_brk, 1) == aligned + 3 * PAGE);
    YES((char *)syscall(SYS_brk, 0x800000000000) == aligned + 3 * PAGE);
    how("child", CHILD(syscall(SYS_brk, aligned)));
    aligned[2 * PAGE] = 1;
    mmap(aligned + 4 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    YES((char *)syscall(SYS_brk, aligned + 6 * PAGE) == aligned + 3 * PAGE);
    YES((char *)syscall(SYS_brk, aligned) == aligned);
    return 0;
}
