// A mapped file that is too short: SIGBUS behind its last page, also after truncation, and life after growing.
#include "check.h"
int main(void) {
    catch_faults();
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0600));
    NEED(write(fd, "x", 1));
    volatile char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    FAULT(p, p[PAGE - 1]);
    FAULT(p + PAGE, p[PAGE]);
    FAULT(p + PAGE + 9, p[PAGE + 9] = 1);
    ftruncate(fd, 3 * PAGE);
    FAULT(p + PAGE, p[PAGE] = 5);
    FAULT(p + 3 * PAGE, p[3 * PAGE]);
    ftruncate(fd, 10);
    FAULT(p + PAGE, p[PAGE]);
    FAULT(p, p[0]);
    p[20] = 7;
    ftruncate(fd, 0);
    ftruncate(fd, 2 * PAGE);
    printf("cut bytes come back as %d %d\n", p[0], p[20]);
    volatile char *q = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    FAULT(q + 2 * PAGE, q[2 * PAGE] = 1);
    q[0] = 8;
    ftruncate(fd, 0);
    FAULT(q, q[0]);
    char buffer[8];
    lseek(fd, 0, SEEK_SET);
    write(fd, "12345678", 8);
    CALL(pread(fd, (char *)p + 2 * PAGE, 8, 0));
    CALL(write(fd, (char *)p + 2 * PAGE, 8));
    return 0;
}
