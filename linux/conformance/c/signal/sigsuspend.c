// static. sigsuspend: the mask for the wait, the handler inside, the old mask after; pause.
#include "check.h"
static volatile int runs;
static sigset_t seen;
static void handler(int sig) {
    runs++;
    sigprocmask(SIG_BLOCK, NULL, &seen);
}
int main(void) {
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    sigset_t block, wait, now;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigaddset(&block, SIGHUP);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    sigemptyset(&wait);
    sigaddset(&wait, SIGHUP);
    printf("runs %d\n", runs);
    CALL(sigsuspend(&wait));
    printf("runs %d\n", runs);
    show_set("in the handler", &seen);
    sigprocmask(SIG_BLOCK, NULL, &now);
    show_set("after", &now);
    pid_t self = getpid(), pid = SPAWN(until_state(self, 'S'); kill(self, SIGHUP); kill(self, SIGUSR2));
    CALL(sigsuspend(&wait));
    reap(pid);
    sigset_t pending;
    sigpending(&pending);
    show_set("pending", &pending);
    pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR2));
    signal(SIGHUP, SIG_IGN);
    sigpending(&pending);
    show_set("pending once ignored", &pending);
    CALL(pause());
    reap(pid);
    printf("runs %d\n", runs);
    CALL(syscall(SYS_rt_sigsuspend, &wait, 4));
    return 0;
}
