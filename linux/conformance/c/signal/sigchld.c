// SIGCHLD for a child that exits, is killed, stops and goes on; SA_NOCLDSTOP leaves out the last two.
#include "check.h"
static volatile int count;
static void handler(int sig, siginfo_t *i, void *context) {
    static const char *const codes[] = {"0", "EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED"};
    printf("CHLD %s status %d\n", codes[i->si_code], i->si_status);
    count++;
}
/* The status may be there to be waited for before the signal is. */
static void settle(int wanted) {
    for (int i = 0; i < 1000 && count < wanted; i++) pause_ms(1);
    pause_ms(5);
}
static void round_(int flags) {
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART | flags};
    sigaction(SIGCHLD, &act, NULL);
    pid_t pid = SPAWN(for (;;) pause());
    siginfo_t info;
    count = 0;
    kill(pid, SIGSTOP);
    waitid(P_PID, pid, &info, WSTOPPED);
    kill(pid, SIGCONT);
    waitid(P_PID, pid, &info, WCONTINUED);
    settle(flags ? 0 : 2);
    kill(pid, SIGTERM);
    waitid(P_PID, pid, &info, WEXITED);
    reap(SPAWN(_exit(3)));
}
int main(void) {
    printf("plain\n");
    round_(0);
    printf("NOCLDSTOP\n");
    round_(SA_NOCLDSTOP);
    return 0;
}
