// Mapping /dev/zero, and reading and writing the memory devices.
#include "check.h"
int main(void) {
    int fd = NEED(open("/dev/zero", O_RDWR));
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    YES(p != MAP_FAILED && s != MAP_FAILED);
    p[5] = s[5] = 1;
    how("child", CHILD(p[5] = 2; s[5] = 2));
    printf("private %d shared %d\n", p[5], s[5]);
    memset(p, 9, 2 * PAGE);
    CALL(read(fd, p, PAGE));
    printf("%d %d\n", p[0], p[PAGE]);
    CALL(write(fd, p, 100));
    CALL(lseek(fd, 100, SEEK_SET));
    return 0;
}
