// static. SA_NODEFER, SA_RESETHAND, and that a handler's mask is gone afterwards.
#include "check.h"
static volatile int depth, deepest, runs;
static void nodefer(int sig) {
    runs++;
    if (++depth > deepest) deepest = depth;
    if (runs < 4) raise(sig);
    depth--;
}
static void once(int sig) { runs++; }
int main(void) {
    struct sigaction act = {.sa_handler = nodefer, .sa_flags = SA_NODEFER}, now;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    printf("NODEFER: runs %d, deepest %d\n", runs, deepest);
    act.sa_flags = 0;
    runs = depth = deepest = 0;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    printf("without: runs %d, deepest %d\n", runs, deepest);
    act.sa_handler = once;
    act.sa_flags = SA_RESETHAND;
    runs = 0;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &now);
    printf("RESETHAND: runs %d, default again %d\n", runs, now.sa_handler == SIG_DFL);
    how("second", CHILD(raise(SIGUSR1)));
    sigset_t set;
    sigprocmask(SIG_BLOCK, NULL, &set);
    show_set("mask", &set);
    return 0;
}
