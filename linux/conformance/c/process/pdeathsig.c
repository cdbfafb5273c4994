// PR_SET_PDEATHSIG: the signal comes when the parent ends.
#include "check.h"
#include <sys/prctl.h>
int main(void) {
    int out[2], hold[2];
    NEED(pipe(out));
    NEED(pipe(hold));
    pid_t parent = SPAWN(
        SPAWN(prctl(PR_SET_PDEATHSIG, SIGUSR1);
            sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1); sigprocmask(SIG_BLOCK, &set, NULL);
            write(hold[1], "x", 1);
            siginfo_t info; int got = sigwaitinfo(&set, &info);
            dprintf(out[1], "got %s, code %s\n", signame(got), info.si_code == SI_USER ? "USER" : "other"));
        char c; read(hold[0], &c, 1));
    how("parent", reap(parent));
    close(out[1]);
    char text[100] = "";
    read(out[0], text, sizeof text - 1);
    printf("%s", text);
    return 0;
}
