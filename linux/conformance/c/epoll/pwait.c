// static. epoll_pwait's mask, interruption, many events with a small array served in turn.
#include "check.h"
#include <sys/epoll.h>
static void handler(int sig) { printf("handler\n"); }
int main(void) {
    int e = epoll_create1(0), p[6][2];
    struct epoll_event ev = {EPOLLIN}, out[2];
    signal(SIGUSR1, handler);
    sigset_t block, none, now;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    CALL(epoll_pwait(e, &ev, 1, 10, &block));
    CALL(epoll_pwait(e, &ev, 1, 5000, &none));
    sigprocmask(SIG_BLOCK, NULL, &now);
    show_set("mask", &now);
    for (int i = 0; i < 6; i++) {
        pipe(p[i]);
        ev.data.u32 = i;
        epoll_ctl(e, EPOLL_CTL_ADD, p[i][0], &ev);
        write(p[i][1], "x", 1);
    }
    int seen[6] = {0};
    for (int round = 0; round < 6; round++) {
        int n = epoll_wait(e, out, 2, 0);
        for (int i = 0; i < n; i++) seen[out[i].data.u32]++;
    }
    for (int i = 0; i < 6; i++) printf("%d ", seen[i]);
    printf("\n");
    struct timespec t = {0, 1000000};
    for (int i = 0; i < 6; i++) read(p[i][0], &(char){0}, 1);
    CALL(syscall(SYS_epoll_pwait2, e, out, 2, &t, NULL, 8));
    return 0;
}
