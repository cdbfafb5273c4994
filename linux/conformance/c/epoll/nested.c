// static. An epoll in an epoll: readiness passes through; loops are refused.
#include "check.h"
#include <sys/epoll.h>
int main(void) {
    int inner = epoll_create1(0), outer = epoll_create1(0), p[2];
    pipe(p);
    struct epoll_event ev = {EPOLLIN}, out;
    CALL(epoll_ctl(inner, EPOLL_CTL_ADD, p[0], &ev));
    CALL(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &ev));
    CALL(epoll_ctl(inner, EPOLL_CTL_ADD, outer, &ev));
    CALL(epoll_wait(outer, &out, 1, 0));
    write(p[1], "x", 1);
    CALL(epoll_wait(outer, &out, 1, 0));
    printf("%#x\n", out.events);
    CALL(epoll_wait(inner, &out, 1, 0));
    read(p[0], &(char){0}, 1);
    CALL(epoll_wait(outer, &out, 1, 0));
    pid_t pid = SPAWN(pause_ms(20); write(p[1], "y", 1));
    CALL(epoll_wait(outer, &out, 1, 5000));
    reap(pid);
    int chain[7];
    for (int i = 0; i < 7; i++) chain[i] = epoll_create1(0);
    int depth = 0;
    for (int i = 0; i < 6; i++) depth += epoll_ctl(chain[i + 1], EPOLL_CTL_ADD, chain[i], &ev) == 0;
    printf("depth limited: %d\n", depth < 6);
    return 0;
}
