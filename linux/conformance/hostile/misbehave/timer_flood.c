// Timers with intervals of a nanosecond, heeded, blocked and ignored: the others still have their time.
#include "witness.h"
#include <sys/timerfd.h>
static volatile long got;
static void handler(int sig) { got++; }
static void arm(int clock, int sig, int notify) {
    struct sigevent e = {.sigev_notify = notify, .sigev_signo = sig};
    struct itimerspec s = {{0, 1}, {0, 1}};
    timer_t t;
    NEED(timer_create(clock, &e, &t));
    NEED(timer_settime(t, 0, &s, NULL));
}
int main(void) {
    start_witness();
    pid_t pid[6];
    pid[0] = SPAWN(signal(SIGALRM, handler); struct itimerval t = {{0, 1}, {0, 1}}; setitimer(ITIMER_REAL, &t, NULL); for (;;) {});
    pid[1] = SPAWN(signal(SIGUSR1, SIG_IGN); arm(CLOCK_MONOTONIC, SIGUSR1, SIGEV_SIGNAL); for (;;) pause());
    pid[2] = SPAWN(signal(SIGRTMIN, handler); arm(CLOCK_REALTIME, SIGRTMIN, SIGEV_SIGNAL); for (;;) pause());
    pid[3] = SPAWN(sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, NULL); for (int i = 0; i < 50; i++) arm(CLOCK_MONOTONIC, SIGRTMIN + 1, SIGEV_SIGNAL); for (;;) pause());
    pid[4] = SPAWN(for (int i = 0; i < 50; i++) arm(CLOCK_MONOTONIC, SIGUSR1, SIGEV_NONE); for (;;) pause());
    pid[5] = SPAWN(
        int fd = timerfd_create(CLOCK_MONOTONIC, 0);
        struct itimerspec s = {{0, 1}, {0, 1}};
        timerfd_settime(fd, 0, &s, NULL);
        for (long n;;) read(fd, &n, 8));
    for (int i = 0; i < 5; i++) ask_witness(), pause_ms(20);
    for (int i = 0; i < 6; i++) kill(pid[i], SIGKILL), how("flooder", reap(pid[i]));
    signal(SIGALRM, handler);
    struct itimerval t = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &t, NULL);
    got = 0;
    for (long start = now_ms(); now_ms() - start < 200;) {}
    if (got < 3 || got > 110) printf("got %ld\n", got);
    ask_witness();
    end_witness();
    return 0;
}
