// RLIMIT_CPU: SIGXCPU at the soft limit, which moves on by a second, SIGKILL at the hard one; a child counts from zero.
#include "check.h"
static volatile sig_atomic_t caught;
static void count(int sig) { caught++; }
static void spin(void) { for (;;) {} }
static void limit(rlim_t soft, rlim_t hard) {
    struct rlimit l = {soft, hard};
    OK(setrlimit(RLIMIT_CPU, &l));
}
int main(void) {
    struct rlimit core = {0, 0}, l;
    setrlimit(RLIMIT_CORE, &core);
    CALL(getrlimit(RLIMIT_CPU, &l));
    YES(l.rlim_cur == RLIM_INFINITY && l.rlim_max == RLIM_INFINITY);
    how("default", CHILD(limit(1, RLIM_INFINITY); spin()));
    how("hard at once", CHILD(signal(SIGXCPU, SIG_IGN); limit(1, 1); spin()));
    how("caught, then killed", CHILD(
        signal(SIGXCPU, count);
        limit(1, 2);
        while (!caught) {}
        printf("caught %d\n", caught);
        getrlimit(RLIMIT_CPU, &l);
        printf("soft %ld hard %ld\n", (long)l.rlim_cur, (long)l.rlim_max);
        spin()));
    how("a child has it too", CHILD(limit(1, RLIM_INFINITY); how("the child", CHILD(spin()))));
    how("taken away", CHILD(
        limit(1, RLIM_INFINITY);
        limit(RLIM_INFINITY, RLIM_INFINITY);
        struct timespec t = {0};
        while (t.tv_sec == 0 || t.tv_nsec < 300000000) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t)));
    how("sleep is no CPU time", CHILD(limit(1, 1); pause_ms(1300)));
    return 0;
}
