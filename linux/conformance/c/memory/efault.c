// static. Bad pointers given to everyday calls are EFAULT, and partial work is reported as such.
#include "check.h"
int main(void) {
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + PAGE, PAGE);
    char *bad = (char *)0x1000, *kernel = (char *)0xffff880000001000;
    int fd = open("f", O_RDWR | O_CREAT, 0600), pipes[2];
    pipe(pipes);
    write(fd, "0123456789", 10);
    CALL(pread(fd, bad, 10, 0));
    CALL(pread(fd, kernel, 10, 0));
    CALL(pread(fd, p + PAGE - 4, 10, 0));
    CALL(pread(fd, p + PAGE - 4, 4, 0));
    printf("%.4s\n", p + PAGE - 4);
    CALL(write(pipes[1], bad, 10));
    CALL(write(pipes[1], p + PAGE - 4, 4));
    CALL(read(pipes[0], bad, 4));
    CALL(open(bad, O_RDONLY));
    CALL(open(p + PAGE - 1, O_RDONLY));
    memset(p + PAGE - 8, 'x', 8);
    CALL(open(p + PAGE - 8, O_RDONLY));
    CALL(pipe((int *)bad));
    CALL(syscall(SYS_stat, ".", bad));
    CALL(nanosleep((void *)bad, NULL));
    CALL(syscall(SYS_getcwd, bad, 100));
    CALL(read(fd, NULL, 0));
    struct iovec v[2] = {{p, 4}, {bad, 4}};
    CALL(preadv(fd, v, 2, 0));
    CALL(syscall(SYS_readv, fd, bad, 2));
    CALL(mprotect(p, PAGE, PROT_READ));
    CALL(pread(fd, p, 4, 0));
    CALL(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad));
    return 0;
}
