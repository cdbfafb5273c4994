// static. wait4: WNOHANG, WUNTRACED, WCONTINUED, what it waits for, its errors.
#include "check.h"
int main(void) {
    int status;
    struct rusage usage;
    pid_t pid = SPAWN(for (;;) pause());
    CALL(wait4(pid, &status, WNOHANG, NULL));
    kill(pid, SIGSTOP);
    CALL(wait4(pid, &status, WUNTRACED, NULL) == pid);
    how("stopped", status);
    CALL(wait4(pid, &status, WUNTRACED | WNOHANG, NULL));
    kill(pid, SIGCONT);
    CALL(wait4(pid, &status, WCONTINUED, NULL) == pid);
    how("continued", status);
    CALL(wait4(pid, &status, WCONTINUED | WNOHANG, NULL));
    kill(pid, SIGTERM);
    memset(&usage, 0xff, sizeof usage);
    CALL(wait4(-1, &status, 0, &usage) == pid);
    how("ended", status);
    YES(usage.ru_maxrss >= 0 && usage.ru_utime.tv_sec == 0);
    CALL(wait4(pid, &status, 0, NULL));
    CALL(wait4(-1, &status, WNOHANG, NULL));
    CALL(wait4(-1, &status, 0x40, NULL));
    pid_t a = SPAWN(setpgid(0, 0); _exit(1));
    setpgid(a, a);
    CALL(wait4(0, &status, 0, NULL));
    CALL(wait4(-a, &status, 0, NULL) == a);
    how("by group", status);
    CALL(wait4(INT_MIN, &status, 0, NULL));
    return 0;
}
