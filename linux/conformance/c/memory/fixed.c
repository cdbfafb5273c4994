// static. MAP_FIXED replaces what is there, MAP_FIXED_NOREPLACE refuses, and holes are filled.
#include "check.h"
int main(void) {
    catch_faults();
    int flags = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;
    char *p = mmap(NULL, 4 * PAGE, rw, flags, -1, 0);
    memset(p, 7, 4 * PAGE);
    YES(mmap(p + PAGE, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0) == p + PAGE);
    printf("%d %d %d\n", p[0], p[PAGE], p[2 * PAGE]);
    FAULT(p + PAGE, p[PAGE] = 1);
    FAULT(p, p[0] = 1);
    YES(mmap(p, PAGE, rw, flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    munmap(p, PAGE);
    YES(mmap(p, PAGE, rw, flags | MAP_FIXED_NOREPLACE, -1, 0) == p);
    YES(mmap(p, 2 * PAGE, rw, flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
    printf("%d %d\n", p[0], p[2 * PAGE]);
    YES(mmap(p, 4 * PAGE, PROT_NONE, flags | MAP_FIXED, -1, 0) == p);
    FAULT(p + 3 * PAGE, p[3 * PAGE]);
    char *far = (char *)0x100000000000;
    YES(mmap(far, PAGE, rw, flags | MAP_FIXED, -1, 0) == far);
    far[5] = 1;
    printf("far %d\n", far[5]);
    return 0;
}
