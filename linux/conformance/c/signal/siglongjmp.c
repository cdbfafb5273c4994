// static. Leaving a handler by siglongjmp, with and without the mask, many times.
#include "check.h"
static sigjmp_buf jump;
static void handler(int sig) { siglongjmp(jump, sig); }
int main(void) {
    signal(SIGUSR1, handler);
    sigset_t set;
    volatile int n = 0;
    int got = sigsetjmp(jump, 1);
    if (n++ < 200) raise(SIGUSR1);
    printf("came back %d times, with %s\n", n - 1, signame(got));
    sigprocmask(SIG_BLOCK, NULL, &set);
    show_set("mask kept", &set);
    n = 0;
    sigsetjmp(jump, 0);
    if (n++ == 0) raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &set);
    show_set("mask not kept", &set);
    raise(SIGUSR1);
    sigpending(&set);
    show_set("pending", &set);
    return 0;
}
