// What execve keeps of signals: ignored ones and the mask stay, handlers go, pending ones stay pending.
#include "check.h"
static void nothing(int sig) {}
int main(int argc, char **argv) {
    if (argc > 1) {
        struct sigaction act;
        for (int s = 1; s < 32; s++) {
            if (s == SIGKILL || s == SIGSTOP) continue;
            sigaction(s, NULL, &act);
            if (act.sa_handler != SIG_DFL)
                printf("%s is %s\n", signame(s), act.sa_handler == SIG_IGN ? "ignored" : "handled");
        }
        sigset_t set;
        sigprocmask(SIG_SETMASK, NULL, &set);
        show_set("mask", &set);
        sigpending(&set);
        show_set("pending", &set);
        stack_t stack;
        sigaltstack(NULL, &stack);
        YES(stack.ss_flags & SS_DISABLE);
        CALL(alarm(0) > 50);
        return 0;
    }
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, nothing);
    signal(SIGTERM, nothing);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    stack_t stack = {.ss_sp = malloc(16384), .ss_size = 16384};
    sigaltstack(&stack, NULL);
    raise(SIGHUP);
    alarm(60);
    execl("/proc/self/exe", "x", "again", NULL);
    return 1;
}
