// static. SIGCONT discards pending stops and a stop discards a pending SIGCONT; SIGTSTP in an orphaned group does nothing.
#include "check.h"
int main(void) {
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    sigaddset(&set, SIGCONT);
    sigaddset(&set, SIGTTIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGTSTP);
    raise(SIGTTIN);
    sigpending(&pending);
    show_set("stops", &pending);
    raise(SIGCONT);
    sigpending(&pending);
    show_set("then CONT", &pending);
    raise(SIGTSTP);
    sigpending(&pending);
    show_set("then TSTP", &pending);
    raise(SIGCONT);
    how("orphaned group", CHILD(setsid(); sigset_t none; sigemptyset(&none); sigprocmask(SIG_SETMASK, &none, NULL);
        raise(SIGTSTP); raise(SIGTTIN); raise(SIGTTOU); printf("went on\n"); _exit(4)));
    pid_t pid = SPAWN(sigset_t none; sigemptyset(&none); sigprocmask(SIG_SETMASK, &none, NULL); setsid(); raise(SIGSTOP); _exit(5));
    int status;
    waitpid(pid, &status, WUNTRACED);
    how("STOP always stops", status);
    kill(pid, SIGCONT);
    how("then", reap(pid));
    return 0;
}
