// static. nanosleep and clock_nanosleep: long enough, the rest after an interruption, absolute times, errors.
#include "check.h"
static void handler(int sig) {}
#define R(e) printf("%s: %s\n", #e, ({ int r_ = e; r_ ? name_of(r_) : "ok"; }))
int main(void) {
    long before = now_ms();
    struct timespec t = {0, 30000000}, rest = {7, 7};
    CALL(nanosleep(&t, &rest));
    YES(now_ms() - before >= 30);
    printf("rest untouched %d\n", rest.tv_sec == 7);
    t.tv_nsec = 1000000000;
    CALL(nanosleep(&t, NULL));
    t = (struct timespec){-1, 0};
    CALL(nanosleep(&t, NULL));
    signal(SIGALRM, handler);
    struct itimerval timer = {{0, 0}, {0, 30000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    t = (struct timespec){10, 0};
    CALL(nanosleep(&t, &rest));
    YES(rest.tv_sec == 9 && rest.tv_nsec > 500000000);
    before = now_ms();
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    YES(now_ms() - before >= 19);
    R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
    t = (struct timespec){1, 0};
    R(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
    R(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
    R(clock_nanosleep(99, 0, &t, NULL));
    setitimer(ITIMER_REAL, &timer, NULL);
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += 10;
    rest = (struct timespec){7, 7};
    R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &rest));
    printf("rest untouched %d\n", rest.tv_sec == 7);
    CALL(usleep(1000));
    t = (struct timespec){0, 0};
    CALL(nanosleep(&t, NULL));
    return 0;
}
