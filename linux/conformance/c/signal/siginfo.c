// static. siginfo for signals from kill, tgkill, sigqueue, timers and children.
#include "check.h"
static volatile int seen;
static void handler(int sig, siginfo_t *i, void *context) {
    seen++;
    const char *code = i->si_code == SI_USER ? "USER" : i->si_code == SI_TKILL ? "TKILL" : i->si_code == SI_QUEUE ? "QUEUE"
        : i->si_code == SI_TIMER ? "TIMER" : i->si_code == SI_KERNEL ? "KERNEL" : i->si_code == CLD_EXITED && sig == SIGCHLD ? "EXITED" : "other";
    printf("%s: signo %s errno %d code %s", signame(sig), signame(i->si_signo), i->si_errno, code);
    if (i->si_code == SI_QUEUE || i->si_code == SI_TIMER) printf(" value %d", i->si_value.sival_int);
    if (i->si_code == SI_USER || i->si_code == SI_QUEUE || i->si_code == SI_TKILL) printf(" from me %d uid %d", i->si_pid == getpid(), (int)i->si_uid);
    if (sig == SIGCHLD) printf(" status %d", i->si_status);
    printf("\n");
}
int main(void) {
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGRTMIN + 2, &act, NULL);
    sigaction(SIGALRM, &act, NULL);
    sigaction(SIGCHLD, &act, NULL);
    kill(getpid(), SIGUSR1);
    raise(SIGUSR1);
    CALL(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 17}));
    CALL(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = -3}));
    int before = seen;
    alarm(1);
    while (seen == before) pause_ms(1);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 55};
    CALL(timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec t = {.it_value.tv_nsec = 1000000};
    NEED(timer_settime(timer, 0, &t, NULL));
    while (seen == before + 1) pause_ms(1);
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGCHLD);
    sigprocmask(SIG_BLOCK, &block, NULL);
    reap(SPAWN(_exit(9)));
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    CALL(sigqueue(getpid(), 99, (union sigval){}));
    CALL(sigqueue(99999999, SIGUSR1, (union sigval){}));
    return 0;
}
