// static. epoll_ctl's and epoll_wait's errors.
#include "check.h"
#include <sys/epoll.h>
int main(void) {
    int e = epoll_create1(0), p[2], f = open("f", O_RDWR | O_CREAT, 0600), d = open(".", O_RDONLY);
    pipe(p);
    struct epoll_event ev = {EPOLLIN};
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[1], &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_DEL, p[1], &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, f, &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, d, &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, e, &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, 99, &ev));
    CALL(epoll_ctl(99, EPOLL_CTL_ADD, p[0], &ev));
    CALL(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
    CALL(epoll_ctl(e, 99, p[0], &ev));
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[1], NULL));
    CALL(epoll_create(0));
    OK(epoll_create(1));
    CALL(epoll_create1(0x1234));
    CALL(epoll_wait(e, &ev, 0, 0));
    CALL(epoll_wait(e, &ev, -1, 0));
    CALL(epoll_wait(p[0], &ev, 1, 0));
    CALL(epoll_wait(99, &ev, 1, 0));
    write(p[1], "x", 1);
    CALL(epoll_wait(e, (void *)1, 1, 0));
    CALL(epoll_wait(e, &ev, 1, 0));
    char t[10];
    CALL(read(e, t, 10));
    CALL(write(e, t, 10));
    return 0;
}
