// static. sigwaitinfo, sigtimedwait and sigwait take blocked signals; time-outs and interruption.
#include "check.h"
static void handler(int sig) {}
int main(void) {
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct timespec zero = {0, 0}, bit = {0, 20000000}, bad = {0, 2000000000}, long_ = {10, 0};
    CALL(sigtimedwait(&set, &info, &zero));
    CALL(sigtimedwait(&set, &info, &bit));
    CALL(sigtimedwait(&set, &info, &bad));
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4});
    raise(SIGUSR1);
    printf("first %s\n", signame(sigwaitinfo(&set, &info)));
    printf("then %s", signame(sigwaitinfo(&set, &info)));
    printf(" value %d\n", info.si_value.sival_int);
    pid_t self = getpid(), pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR1));
    printf("waited for %s", signame(sigwaitinfo(&set, &info)));
    printf(", from the child %d\n", info.si_pid == pid);
    reap(pid);
    signal(SIGUSR2, handler);
    pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR2));
    CALL(sigtimedwait(&set, &info, &long_));
    reap(pid);
    int got = 0;
    raise(SIGUSR1);
    CALL(sigwait(&set, &got));
    printf("sigwait %s\n", signame(got));
    CALL(syscall(SYS_rt_sigtimedwait, &set, NULL, &zero, 4));
    signal(SIGCHLD, SIG_DFL);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid = SPAWN(_exit(3));
    printf("child: %s", signame(sigwaitinfo(&set, &info)));
    printf(" status %d\n", info.si_status);
    reap(pid);
    return 0;
}
