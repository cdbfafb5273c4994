// Signals and threads: to the process goes to one that does not block it, pthread_kill to the one named.
#include "check.h"
static __thread int me;
static volatile int handled_by;
static pthread_barrier_t ready;
static void handler(int sig) { handled_by = me; }
static volatile int stop;
static void *open_thread(void *arg) {
    me = 2;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    pthread_barrier_wait(&ready);
    while (!stop) pause_ms(1);
    return NULL;
}
static void *closed_thread(void *arg) {
    me = 3;
    pthread_barrier_wait(&ready);
    while (!stop) pause_ms(1);
    return NULL;
}
static void settle(void) {
    for (int i = 0; i < 2000 && !handled_by; i++) pause_ms(1);
    printf("handled by %d\n", handled_by);
    handled_by = 0;
}
int main(void) {
    me = 1;
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_barrier_init(&ready, NULL, 3);
    pthread_t a, b;
    pthread_create(&a, NULL, open_thread, NULL);
    pthread_create(&b, NULL, closed_thread, NULL);
    pthread_barrier_wait(&ready);
    kill(getpid(), SIGUSR1);
    settle();
    pthread_kill(b, SIGUSR2);
    settle();
    pthread_kill(a, SIGUSR2);
    settle();
    syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2);
    settle();
    pthread_kill(pthread_self(), SIGUSR1);
    sigpending(&pending);
    show_set("pending for me", &pending);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    settle();
    stop = 1;
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    how("fatal ends all", CHILD(stop = 0; pthread_barrier_init(&ready, NULL, 2); pthread_create(&a, NULL, closed_thread, NULL);
        pthread_barrier_wait(&ready); pthread_kill(a, SIGTERM); for (;;) pause()));
    return 0;
}
