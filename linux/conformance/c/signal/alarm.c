// static. alarm and setitimer: time left, replaced, periodic, cancelled; ITIMER_VIRTUAL counts only running.
#include "check.h"
static volatile int count;
static void handler(int sig) { count++; }
int main(void) {
    signal(SIGALRM, handler);
    signal(SIGVTALRM, handler);
    signal(SIGPROF, handler);
    CALL(alarm(100));
    YES(alarm(50) >= 99);
    YES(alarm(0) >= 49);
    CALL(alarm(0));
    struct itimerval t = {{0, 5000}, {0, 5000}}, old;
    CALL(setitimer(ITIMER_REAL, &t, NULL));
    while (count < 5) pause();
    CALL(getitimer(ITIMER_REAL, &old));
    printf("interval %ld\n", (long)old.it_interval.tv_usec);
    YES(old.it_value.tv_sec == 0 && old.it_value.tv_usec <= 10000);
    how("not inherited", CHILD(getitimer(ITIMER_REAL, &old); printf("%ld %ld\n", (long)old.it_value.tv_usec, (long)old.it_interval.tv_usec)));
    CALL(setitimer(ITIMER_REAL, &(struct itimerval){}, &old));
    count = 0;
    pause_ms(20);
    printf("after cancelling %d\n", count);
    t = (struct itimerval){{0, 0}, {0, 20000}};
    CALL(setitimer(ITIMER_VIRTUAL, &t, NULL));
    pause_ms(60);
    printf("asleep %d\n", count);
    for (long start = now_ms(); count == 0 && now_ms() - start < 5000;) {}
    printf("running %d\n", count);
    count = 0;
    CALL(setitimer(ITIMER_PROF, &t, NULL));
    for (long start = now_ms(); count == 0 && now_ms() - start < 5000;) {}
    printf("profiling %d\n", count);
    t.it_value.tv_usec = 1000000;
    CALL(setitimer(ITIMER_REAL, &t, NULL));
    CALL(setitimer(7, &t, NULL));
    CALL(getitimer(ITIMER_REAL, (void *)1));
    return 0;
}
