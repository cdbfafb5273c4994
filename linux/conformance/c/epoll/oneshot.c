// static. EPOLLONESHOT reports once until rearmed; EPOLLEXCLUSIVE's rules.
#include "check.h"
#include <sys/epoll.h>
int main(void) {
    int e = epoll_create1(0), p[2];
    pipe(p);
    struct epoll_event ev = {EPOLLIN | EPOLLONESHOT}, out;
    epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
    write(p[1], "x", 1);
    CALL(epoll_wait(e, &out, 1, 0));
    CALL(epoll_wait(e, &out, 1, 0));
    write(p[1], "x", 1);
    CALL(epoll_wait(e, &out, 1, 0));
    CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &ev));
    CALL(epoll_wait(e, &out, 1, 0));
    CALL(epoll_wait(e, &out, 1, 0));
    epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL);
    ev.events = EPOLLIN | EPOLLEXCLUSIVE;
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    CALL(epoll_wait(e, &out, 1, 0));
    printf("%#x\n", out.events);
    CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &ev));
    ev.events = EPOLLIN;
    CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[0], &ev));
    epoll_ctl(e, EPOLL_CTL_DEL, p[0], NULL);
    ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLET;
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    return 0;
}
