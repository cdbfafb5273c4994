// static. Edge-triggered epoll: once per change, again when more comes, also if nothing was read.
#include "check.h"
#include <sys/epoll.h>
static int e;
static void wait_(const char *what) {
    struct epoll_event ev[8];
    int n = epoll_wait(e, ev, 8, 0);
    printf("%s: %d", what, n);
    for (int i = 0; i < n; i++) printf(" %#x", ev[i].events);
    printf("\n");
}
int main(void) {
    e = epoll_create1(0);
    int s[2];
    char t[100];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
    struct epoll_event ev = {EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP};
    epoll_ctl(e, EPOLL_CTL_ADD, s[0], &ev);
    wait_("added");
    wait_("no change");
    write(s[1], "abc", 3);
    wait_("data");
    wait_("no change");
    read(s[0], t, 1);
    wait_("partly read");
    write(s[1], "d", 1);
    wait_("more data");
    CALL(epoll_ctl(e, EPOLL_CTL_MOD, s[0], &ev));
    wait_("modified");
    while (read(s[0], t, sizeof t) > 0) {}
    wait_("drained");
    shutdown(s[1], SHUT_WR);
    wait_("peer shut down");
    close(s[1]);
    wait_("peer closed");
    wait_("no change");
    int p[2];
    pipe2(p, O_NONBLOCK);
    ev.events = EPOLLIN | EPOLLET;
    epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
    write(p[1], "x", 1);
    wait_("pipe");
    write(p[1], "x", 1);
    wait_("pipe again, unread");
    wait_("no change");
    return 0;
}
