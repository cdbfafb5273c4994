// timerfd: one-shot, periodic with counts, absolute, time left, disarming, poll, errors.
#include "check.h"
#include <sys/timerfd.h>
static long get(int fd) {
    uint64_t v;
    return read(fd, &v, 8) == 8 ? (long)v : -1;
}
int main(void) {
    int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    struct itimerspec t = {{0, 0}, {0, 20000000}}, left;
    CALL(get(fd));
    CALL(timerfd_settime(fd, 0, &t, NULL));
    CALL(get(fd));
    struct pollfd p = {fd, POLLIN};
    CALL(poll(&p, 1, 5000));
    CALL(get(fd));
    CALL(get(fd));
    CALL(timerfd_gettime(fd, &left));
    printf("left %ld %ld\n", (long)left.it_value.tv_sec, left.it_value.tv_nsec);
    t.it_interval.tv_nsec = 5000000;
    t.it_value.tv_nsec = 5000000;
    timerfd_settime(fd, 0, &t, NULL);
    pause_ms(60);
    YES(get(fd) >= 8);
    timerfd_gettime(fd, &left);
    printf("interval %ld\n", left.it_interval.tv_nsec);
    YES(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 5000000);
    CALL(timerfd_settime(fd, 0, &(struct itimerspec){}, &left));
    pause_ms(15);
    CALL(get(fd));
    clock_gettime(CLOCK_MONOTONIC, &t.it_value);
    t.it_interval = (struct timespec){0, 0};
    CALL(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL));
    CALL(poll(&p, 1, 5000));
    CALL(get(fd));
    int r = OK(timerfd_create(CLOCK_REALTIME, 0));
    t.it_value = (struct timespec){1000, 0};
    CALL(timerfd_settime(r, 0, &t, NULL));
    CALL(timerfd_gettime(r, &left));
    YES(left.it_value.tv_sec == 999 || left.it_value.tv_sec == 1000);
    t.it_value = (struct timespec){0, 10000000};
    timerfd_settime(r, 0, &t, NULL);
    CALL(get(r));
    CALL(timerfd_create(99, 0));
    CALL(timerfd_create(CLOCK_MONOTONIC, 0x1));
    t.it_value.tv_nsec = 1000000000;
    CALL(timerfd_settime(fd, 0, &t, NULL));
    CALL(timerfd_settime(0, 0, &(struct itimerspec){}, NULL));
    CALL(timerfd_settime(fd, 0x100, &(struct itimerspec){}, NULL));
    char small[4];
    CALL(read(fd, small, 4));
    CALL(write(fd, small, 4));
    return 0;
}
