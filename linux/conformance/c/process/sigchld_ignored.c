// Children whose SIGCHLD is ignored, or asked for with SA_NOCLDWAIT, leave no zombie; waiting ends with ECHILD.
#include "check.h"
static volatile sig_atomic_t count;
static void on_child(int sig) { count++; }
int main(void) {
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = SPAWN(_exit(1));
    CALL(waitpid(pid, NULL, 0));
    struct sigaction act = {.sa_handler = on_child, .sa_flags = SA_NOCLDWAIT | SA_RESTART};
    sigaction(SIGCHLD, &act, NULL);
    pid = SPAWN(_exit(1));
    CALL(waitpid(pid, NULL, 0));
    printf("signals %d\n", count);
    act.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &act, NULL);
    count = 0;
    pid = SPAWN(_exit(4));
    how("child", reap(pid));
    printf("signals %d\n", count);
    how("inherits ignore", (signal(SIGCHLD, SIG_IGN), signal(SIGCHLD, SIG_DFL), CHILD(_exit(2))));
    return 0;
}
