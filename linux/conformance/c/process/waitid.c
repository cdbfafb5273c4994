// static. waitid: siginfo for each way to end, WNOWAIT, which children are meant.
#include "check.h"
static void show(const char *what, siginfo_t *info, pid_t pid) {
    static const char *const codes[] = {"0", "EXITED", "KILLED", "DUMPED", "TRAPPED", "STOPPED", "CONTINUED"};
    printf("%s: signo %s code %s status %d pid right %d uid %d\n", what, info->si_signo ? signame(info->si_signo) : "0",
        codes[info->si_code], info->si_status, info->si_pid == pid, (int)info->si_uid);
    memset(info, 0, sizeof *info);
}
int main(void) {
    siginfo_t info = {0};
    pid_t pid = SPAWN(_exit(33));
    CALL(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    show("looked at", &info, pid);
    CALL(waitid(P_PID, pid, &info, WEXITED));
    show("taken", &info, pid);
    CALL(waitid(P_PID, pid, &info, WEXITED));
    pid = SPAWN(for (;;) pause());
    CALL(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
    show("nothing yet", &info, 0);
    kill(pid, SIGSTOP);
    CALL(waitid(P_ALL, 0, &info, WSTOPPED));
    show("stopped", &info, pid);
    kill(pid, SIGCONT);
    CALL(waitid(P_ALL, 0, &info, WCONTINUED));
    show("continued", &info, pid);
    kill(pid, SIGKILL);
    CALL(waitid(P_PGID, getpgrp(), &info, WEXITED));
    show("killed", &info, pid);
    pid = SPAWN(_exit(1));
    CALL(waitid(P_PGID, 0, &info, WEXITED));
    show("own group", &info, pid);
    CALL(waitid(P_ALL, 0, &info, 0));
    CALL(waitid(9, 0, &info, WEXITED));
    CALL(waitid(P_ALL, 0, NULL, WEXITED));
    return 0;
}
