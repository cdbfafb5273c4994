// static. A small server of many connections at once: non-blocking sockets, edge-triggered epoll, echo.
#include "net.h"
#include <sys/epoll.h>
int main(void) {
    int l = listen4(), port = port_of(l), e = epoll_create1(0), served = 0, bytes = 0;
    fcntl(l, F_SETFL, O_NONBLOCK);
    epoll_ctl(e, EPOLL_CTL_ADD, l, &(struct epoll_event){EPOLLIN | EPOLLET, {.fd = l}});
    pid_t pid[4];
    for (int i = 0; i < 4; i++) pid[i] = SPAWN(
        int c[10]; char t[1000]; int good = 0;
        for (int j = 0; j < 10; j++) c[j] = connect4(port);
        memset(t, 'a' + i, sizeof t);
        for (int j = 0; j < 10; j++) write(c[j], t, sizeof t);
        for (int j = 0; j < 10; j++) { memset(t, 0, sizeof t); good += recv(c[j], t, sizeof t, MSG_WAITALL) == 1000 && t[0] == 'a' + i && t[999] == 'a' + i; close(c[j]); }
        _exit(good));
    while (served < 40) {
        struct epoll_event ev[16];
        int n = epoll_wait(e, ev, 16, 5000);
        if (n <= 0) break;
        for (int i = 0; i < n; i++) {
            int fd = ev[i].data.fd;
            if (fd == l) {
                int c;
                while ((c = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) epoll_ctl(e, EPOLL_CTL_ADD, c, &(struct epoll_event){EPOLLIN | EPOLLET | EPOLLRDHUP, {.fd = c}});
                continue;
            }
            char t[700];
            ssize_t r;
            while ((r = read(fd, t, sizeof t)) > 0) bytes += write(fd, t, r);
            if (r == 0) served++, close(fd);
        }
    }
    for (int i = 0; i < 4; i++) how("client", reap(pid[i]));
    printf("served %d bytes %d\n", served, bytes);
    return 0;
}
