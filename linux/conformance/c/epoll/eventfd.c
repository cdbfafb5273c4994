// static. eventfd: counting, semaphore mode, overflow, blocking, sizes; through epoll.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
static long get(int fd) {
    uint64_t v;
    return read(fd, &v, 8) == 8 ? (long)v : -1;
}
static int put(int fd, uint64_t v) { return write(fd, &v, 8); }
int main(void) {
    int fd = OK(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
    CALL(get(fd));
    CALL(get(fd));
    CALL(put(fd, 5));
    CALL(put(fd, 6));
    CALL(get(fd));
    CALL(put(fd, -1));
    CALL(put(fd, -2));
    CALL(put(fd, 1));
    struct pollfd p = {fd, POLLIN | POLLOUT};
    poll(&p, 1, 0);
    printf("full %#x\n", p.revents);
    get(fd);
    poll(&p, 1, 0);
    printf("empty %#x\n", p.revents);
    int s = OK(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    CALL(get(s));
    CALL(get(s));
    CALL(get(s));
    char small[4];
    CALL(read(fd, small, 4));
    CALL(write(fd, small, 4));
    CALL(put(fd, 0));
    CALL(get(fd));
    CALL(eventfd(0, 0x8000));
    CALL(lseek(fd, 0, SEEK_SET));
    int b = eventfd(0, 0);
    pid_t pid = SPAWN(pause_ms(10); put(b, 9));
    CALL(get(b));
    reap(pid);
    int e = epoll_create1(0);
    struct epoll_event ev = {EPOLLIN | EPOLLET};
    epoll_ctl(e, EPOLL_CTL_ADD, b, &ev);
    put(b, 1);
    CALL(epoll_wait(e, &ev, 1, 0));
    put(b, 1);
    CALL(epoll_wait(e, &ev, 1, 0));
    CALL(epoll_wait(e, &ev, 1, 0));
    return 0;
}
