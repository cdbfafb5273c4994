// static. sigprocmask: block, unblock, set; what cannot be blocked; inherited by fork and thread, not by sight.
#include "check.h"
static void *thread(void *arg) {
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    show_set("thread", &set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    return NULL;
}
int main(void) {
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGRTMIN + 1);
    CALL(sigprocmask(SIG_BLOCK, &set, NULL));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    show_set("old", &old);
    sigprocmask(SIG_BLOCK, NULL, &old);
    show_set("now", &old);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, &old);
    show_set("before all", &old);
    sigprocmask(SIG_SETMASK, NULL, &set);
    printf("KILL %d STOP %d CONT %d\n", sigismember(&set, SIGKILL), sigismember(&set, SIGSTOP), sigismember(&set, SIGCONT));
    sigprocmask(SIG_SETMASK, &old, NULL);
    how("child", CHILD(sigprocmask(SIG_SETMASK, NULL, &set); show_set("child", &set)));
    pthread_t t;
    pthread_create(&t, NULL, thread, NULL);
    pthread_join(t, NULL);
    sigprocmask(SIG_SETMASK, NULL, &set);
    show_set("main", &set);
    CALL(syscall(SYS_rt_sigprocmask, 9, &set, NULL, 8));
    CALL(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
    CALL(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 1, NULL, 8));
    return 0;
}
