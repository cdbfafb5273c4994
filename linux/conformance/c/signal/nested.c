// static. Signals within handlers: a different one interrupts, the mask stacks up and is taken down again.
#include "check.h"
static void show(const char *where) {
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    show_set(where, &set);
}
static void third(int sig) { show("third"); }
static void second(int sig) {
    show("second");
    raise(SIGTERM);
    show("second again");
}
static void first(int sig) {
    show("first");
    raise(SIGUSR2);
    raise(SIGUSR1);
    show("first again");
}
static volatile int level;
static void chain(int sig) {
    level++;
    if (sig < SIGRTMIN + 20) raise(sig + 1);
}
int main(void) {
    struct sigaction act = {.sa_handler = third};
    sigaction(SIGTERM, &act, NULL);
    act.sa_handler = second;
    sigaddset(&act.sa_mask, SIGHUP);
    sigaction(SIGUSR2, &act, NULL);
    act.sa_handler = first;
    sigemptyset(&act.sa_mask);
    act.sa_flags = SA_RESETHAND;
    sigaction(SIGUSR1, &act, NULL);
    signal(SIGUSR1, first);
    static int once;
    act.sa_flags = 0;
    for (int s = SIGRTMIN; s <= SIGRTMIN + 20; s++) signal(s, chain);
    raise(SIGRTMIN);
    printf("levels %d\n", level);
    struct sigaction reset = {.sa_handler = first, .sa_flags = SA_RESETHAND};
    sigaction(SIGUSR1, &reset, NULL);
    how("child", CHILD(raise(SIGUSR1); printf("not reached\n")));
    show("main");
    return 0;
}
