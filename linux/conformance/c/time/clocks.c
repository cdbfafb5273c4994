// static. The clocks: monotonic ones never go back, resolutions, related clocks agree, bad ones are refused.
#include "check.h"
#include <time.h>
static long long ns(clockid_t c) {
    struct timespec t;
    if (clock_gettime(c, &t)) return -1;
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}
int main(void) {
    int back = 0;
    long long last = 0;
    for (int i = 0; i < 100000; i++) {
        long long now = ns(CLOCK_MONOTONIC);
        back += now < last;
        last = now;
    }
    printf("went back %d\n", back);
    struct timespec raw;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw);
    long long by_call = raw.tv_sec * 1000000000LL + raw.tv_nsec;
    YES(by_call >= last && by_call - last < 100000000);
    YES(ns(CLOCK_MONOTONIC) >= by_call);
    long long real = ns(CLOCK_REALTIME);
    struct timeval tv;
    gettimeofday(&tv, NULL);
    long long day = tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
    YES(day >= real - 1000 && day - real < 1000000000);
    YES(llabs(time(NULL) - tv.tv_sec) <= 1);
    YES(tv.tv_sec > 1600000000);
    YES(llabs(ns(CLOCK_REALTIME_COARSE) - ns(CLOCK_REALTIME)) < 1000000000);
    YES(llabs(ns(CLOCK_MONOTONIC_COARSE) - ns(CLOCK_MONOTONIC)) < 1000000000);
    YES(ns(CLOCK_BOOTTIME) + 1000000000 >= ns(CLOCK_MONOTONIC));
    YES(ns(CLOCK_MONOTONIC_RAW) > 0);
    YES(ns(CLOCK_PROCESS_CPUTIME_ID) > 0 && ns(CLOCK_THREAD_CPUTIME_ID) > 0);
    struct timespec res;
    CALL(clock_getres(CLOCK_MONOTONIC, &res));
    printf("resolution %ld\n", res.tv_nsec);
    CALL(clock_getres(CLOCK_REALTIME, NULL));
    CALL(clock_gettime(99, &res));
    CALL(clock_getres(-99999, &res));
    CALL(clock_settime(CLOCK_MONOTONIC, &res));
    clockid_t mine;
    printf("cpu clock: %d\n", clock_getcpuclockid(0, &mine));
    YES(ns(mine) > 0);
    how("not root", CHILD(setuid(1000); CALL(clock_settime(CLOCK_REALTIME, &res)); CALL(settimeofday(&tv, NULL))));
    return 0;
}
