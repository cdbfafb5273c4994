// static. Closing a watched descriptor: it goes when the last duplicate goes, and the number may be used again.
#include "check.h"
#include <sys/epoll.h>
int main(void) {
    int e = epoll_create1(0), p[2], q[2];
    pipe(p);
    struct epoll_event ev = {EPOLLIN, {.u32 = 1}}, out = {0};
    write(p[1], "x", 1);
    epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
    int copy = dup(p[0]), number = p[0];
    close(p[0]);
    CALL(epoll_wait(e, &out, 1, 0));
    printf("still %d\n", out.data.u32);
    CALL(epoll_ctl(e, EPOLL_CTL_DEL, number, NULL));
    close(copy);
    CALL(epoll_wait(e, &out, 1, 0));
    pipe(q);
    ev.data.u32 = 2;
    dup2(q[0], number);
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, number, &ev));
    copy = dup(number);
    ev.data.u32 = 3;
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, copy, &ev));
    write(q[1], "x", 1);
    struct epoll_event two[4];
    CALL(epoll_wait(e, two, 4, 0));
    printf("sum of data %d\n", two[0].data.u32 + two[1].data.u32);
    how("over fork", CHILD(close(q[0]); close(number); CALL(epoll_wait(e, two, 4, 0))));
    return 0;
}
