// getrusage, times and clock(): processor time goes up where it should, and only there.
#include "check.h"
#include <sys/times.h>
static long used(int who) {
    struct rusage u;
    NEED(getrusage(who, &u));
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}
static void burn(void) {
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); while (t.tv_sec == 0 && t.tv_nsec < 80000000);
}
int main(void) {
    YES(used(RUSAGE_CHILDREN) == 0);
    burn();
    YES(used(RUSAGE_SELF) >= 40000);
    YES(used(RUSAGE_THREAD) >= 40000);
    how("child", CHILD(YES(used(RUSAGE_SELF) < 40000); burn()));
    YES(used(RUSAGE_CHILDREN) >= 40000);
    struct tms t;
    YES(times(&t) != -1);
    YES(t.tms_utime + t.tms_stime >= 3 && t.tms_cutime + t.tms_cstime >= 3);
    YES(clock() >= 40000);
    long before = used(RUSAGE_SELF);
    pause_ms(60);
    YES(used(RUSAGE_SELF) - before < 50000);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    YES(u.ru_maxrss > 100);
    CALL(getrusage(17, &u));
    CALL(getrusage(RUSAGE_SELF, (void *)1));
    return 0;
}
