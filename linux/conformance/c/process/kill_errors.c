// static. kill, tgkill and tkill: which errors, and the null signal.
#include "check.h"
int main(void) {
    CALL(kill(getpid(), 0));
    CALL(kill(99999999, 0));
    CALL(kill(getpid(), 65));
    CALL(kill(getpid(), -1));
    YES(gettid() == getpid());
    CALL(syscall(SYS_tgkill, getpid(), gettid(), 0));
    CALL(syscall(SYS_tgkill, getpid(), 99999999, 0));
    CALL(syscall(SYS_tgkill, 1, gettid(), 0));
    CALL(syscall(SYS_tgkill, -1, gettid(), 0));
    CALL(syscall(SYS_tkill, gettid(), 0));
    CALL(syscall(SYS_tkill, -5, 0));
    pid_t pid = SPAWN(_exit(0));
    siginfo_t info;
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    CALL(kill(pid, 0));
    CALL(kill(pid, SIGKILL));
    how("zombie", reap(pid));
    CALL(kill(pid, 0));
    siginfo_t queued = {.si_code = SI_USER};
    CALL(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &queued));
    queued.si_code = SI_QUEUE;
    CALL(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &queued));
    return 0;
}
