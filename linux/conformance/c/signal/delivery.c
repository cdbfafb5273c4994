// static. A handler runs for a raised, a sent and a blocked-then-unblocked signal; its own signal is blocked inside.
#include "check.h"
static volatile int count, blocked_inside;
static void handler(int sig) {
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    blocked_inside = sigismember(&set, sig) + 2 * sigismember(&set, SIGUSR2);
    count++;
}
int main(void) {
    struct sigaction act = {.sa_handler = handler}, old;
    sigaddset(&act.sa_mask, SIGUSR2);
    CALL(sigaction(SIGUSR1, &act, &old));
    YES(old.sa_handler == SIG_DFL);
    CALL(sigaction(SIGUSR1, NULL, &old));
    YES(old.sa_handler == handler && sigismember(&old.sa_mask, SIGUSR2) == 1);
    raise(SIGUSR1);
    printf("count %d, blocked inside %d\n", count, blocked_inside);
    kill(getpid(), SIGUSR1);
    printf("count %d\n", count);
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 5; i++) raise(SIGUSR1);
    sigpending(&pending);
    show_set("pending", &pending);
    printf("count %d\n", count);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    printf("count %d\n", count);
    sigpending(&pending);
    show_set("pending", &pending);
    CALL(sigaction(SIGKILL, &act, NULL));
    CALL(sigaction(SIGSTOP, NULL, &old));
    CALL(sigaction(65, &act, NULL));
    CALL(sigaction(0, &act, NULL));
    CALL(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    printf("count %d\n", count);
    return 0;
}
