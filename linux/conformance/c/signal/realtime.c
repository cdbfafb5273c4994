// static. Real-time signals queue, in order of number and of arrival; ordinary ones merge.
#include "check.h"
static void handler(int sig, siginfo_t *info, void *context) {
    printf("%s %d\n", signame(sig), info->si_value.sival_int);
}
int main(void) {
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigfillset(&act.sa_mask);
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    int signals[] = {SIGRTMIN + 1, SIGRTMIN, SIGUSR1, SIGRTMAX, SIGHUP};
    for (int i = 0; i < 5; i++) sigaction(signals[i], &act, NULL);
    for (int round = 1; round <= 3; round++)
        for (int i = 0; i < 5; i++) sigqueue(getpid(), signals[i], (union sigval){.sival_int = round});
    sigset_t pending;
    sigpending(&pending);
    printf("pending RTMAX %d\n", sigismember(&pending, SIGRTMAX));
    sigprocmask(SIG_SETMASK, &none, NULL);
    printf("end\n");
    struct rlimit few = {3, 3};
    sigprocmask(SIG_SETMASK, &all, NULL);
    how("queue limit", CHILD(setrlimit(RLIMIT_SIGPENDING, &few); setuid(4321); int n = 0;
        while (sigqueue(getpid(), SIGRTMIN, (union sigval){}) == 0 && n < 100) n++;
        printf("queued %d then %s\n", n, name_of(errno)); CALL(kill(getpid(), SIGRTMIN)); CALL(kill(getpid(), SIGTERM))));
    return 0;
}
