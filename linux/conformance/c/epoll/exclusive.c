// With EPOLLEXCLUSIVE one event wakes at least one of several processes, and not one event is lost.
#include "check.h"
#include <sys/epoll.h>
int main(void) {
    int p[2], result[2];
    pipe2(p, O_NONBLOCK);
    pipe(result);
    pid_t pid[4];
    for (int i = 0; i < 4; i++) pid[i] = SPAWN(
        int e = epoll_create1(0);
        struct epoll_event ev = {EPOLLIN | EPOLLEXCLUSIVE};
        epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
        char c;
        for (;;) {
            epoll_wait(e, &ev, 1, -1);
            if (read(p[0], &c, 1) == 1) {
                if (c == 'q') _exit(1);
                write(result[1], &c, 1);
            }
        });
    for (int i = 0; i < 4; i++) until_state(pid[i], 'S');
    int sum = 0;
    char c;
    for (int i = 0; i < 20; i++) {
        write(p[1], "e", 1);
        sum += read(result[0], &c, 1);
    }
    printf("handled %d\n", sum);
    for (int i = 0; i < 4; i++) write(p[1], "q", 1);
    for (int i = 0; i < 4; i++) how("worker", reap(pid[i]));
    return 0;
}
