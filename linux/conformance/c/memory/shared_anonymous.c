// static. A shared anonymous mapping is one memory for parent and child, also when grown children write in turn.
#include "check.h"
int main(void) {
    volatile int *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(p == MAP_FAILED ? -1 : 0);
    p[0] = 1;
    how("child", CHILD(printf("child sees %d\n", p[0]); p[0] = 2; p[1024] = 3));
    printf("parent sees %d %d\n", p[0], p[1024]);
    for (int i = 0; i < 5; i++) CHILD(for (int j = 0; j < 100; j++) __atomic_add_fetch(&p[2], 1, __ATOMIC_SEQ_CST));
    printf("sum %d\n", p[2]);
    how("unmap in child", CHILD(munmap((void *)p, 2 * PAGE)));
    printf("still %d\n", p[2]);
    how("grandchild", CHILD(how("g", CHILD(p[3] = 9))));
    printf("from grandchild %d\n", p[3]);
    return 0;
}
