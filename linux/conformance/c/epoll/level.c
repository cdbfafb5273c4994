// static. Level-triggered epoll: what is ready stays reported; data, modification, removal.
#include "check.h"
#include <sys/epoll.h>
static int e;
static void wait_(const char *what) {
    struct epoll_event ev[8];
    int n = epoll_wait(e, ev, 8, 0);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++) printf(" %#x/%d", ev[i].events, ev[i].data.u32);
    printf("\n");
}
int main(void) {
    OK(e = epoll_create1(EPOLL_CLOEXEC));
    CALL(fcntl(e, F_GETFD));
    int p[2];
    char t[10];
    pipe(p);
    struct epoll_event ev = {EPOLLIN, {.u32 = 7}};
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev));
    wait_("empty");
    write(p[1], "ab", 2);
    wait_("ready");
    wait_("still");
    read(p[0], t, 1);
    wait_("one left");
    read(p[0], t, 1);
    wait_("drained");
    ev.events = EPOLLOUT, ev.data.u32 = 8;
    CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[1], &ev));
    wait_("writable");
    ev.events = 0;
    CALL(epoll_ctl(e, EPOLL_CTL_MOD, p[1], &ev));
    wait_("asked for nothing");
    close(p[0]);
    wait_("reader closed");
    CALL(epoll_ctl(e, EPOLL_CTL_DEL, p[1], NULL));
    wait_("removed");
    struct pollfd q = {e, POLLIN};
    CALL(poll(&q, 1, 0));
    long before = now_ms();
    CALL(epoll_wait(e, &ev, 1, 25));
    YES(now_ms() - before >= 24);
    return 0;
}
