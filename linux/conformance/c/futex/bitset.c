// static. FUTEX_WAIT_BITSET: absolute time-outs on both clocks, and waking by bits.
#include "check.h"
#include <linux/futex.h>
static long futex(int *at, int op, int value, const void *time, int *at2, unsigned value3) {
    return syscall(SYS_futex, at, op, value, time, at2, value3);
}
int main(void) {
    int *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t a = SPAWN(_exit(futex(word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1) == 0 ? 1 : 2));
    pid_t b = SPAWN(_exit(futex(word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 6) == 0 ? 1 : 2));
    until_state(a, 'S');
    until_state(b, 'S');
    CALL(futex(word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 8));
    CALL(futex(word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 2));
    how("b", reap(b));
    CALL(futex(word, FUTEX_WAKE, 10, NULL, NULL, 0));
    how("a", reap(a));
    CALL(futex(word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
    CALL(futex(word, FUTEX_WAKE_BITSET, 0, NULL, NULL, 0));
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    CALL(futex(word, FUTEX_WAIT_BITSET, 0, &t, NULL, -1));
    long before = now_ms();
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 30000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    CALL(futex(word, FUTEX_WAIT_BITSET, 0, &t, NULL, -1));
    YES(now_ms() - before >= 25);
    before = now_ms();
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 30000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    CALL(futex(word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, -1));
    YES(now_ms() - before >= 25 && now_ms() - before < 10000);
    return 0;
}
