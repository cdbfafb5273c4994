// static. What each signal does to a process that has not asked for it.
#include "check.h"
int main(void) {
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    for (int s = 1; s <= SIGRTMIN; s++) {
        if (s == 32 || s == 33) continue;
        int status = 0;
        pid_t pid = SPAWN(raise(s); _exit(77));
        waitpid(pid, &status, WUNTRACED);
        how(signame(s), status);
        if (WIFSTOPPED(status)) {
            kill(pid, SIGKILL);
            reap(pid);
        }
    }
    return 0;
}
