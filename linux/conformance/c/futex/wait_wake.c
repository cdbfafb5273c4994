// static. futex: value mismatch, waking a number of waiters, private and shared ones, bad arguments.
#include "check.h"
#include <linux/futex.h>
static int *word;
static long futex(int *at, int op, int value, const void *time, int *at2, int value3) {
    return syscall(SYS_futex, at, op, value, time, at2, value3);
}
int main(void) {
    word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CALL(futex(word, FUTEX_WAIT, 1, NULL, NULL, 0));
    CALL(futex(word, FUTEX_WAKE, 1, NULL, NULL, 0));
    pid_t pid[3];
    for (int i = 0; i < 3; i++) pid[i] = SPAWN(_exit(futex(word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 1 : 2));
    for (int i = 0; i < 3; i++) until_state(pid[i], 'S');
    CALL(futex(word, FUTEX_WAKE, 2, NULL, NULL, 0));
    CALL(futex(word, FUTEX_WAKE, 10, NULL, NULL, 0));
    for (int i = 0; i < 3; i++) how("waiter", reap(pid[i]));
    struct timespec t = {0, 20000000}, bad = {0, -1}, negative = {-1, 0};
    CALL(futex(word, FUTEX_WAIT, 0, &t, NULL, 0));
    CALL(futex(word, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0));
    CALL(futex(word, FUTEX_WAIT, 0, &bad, NULL, 0));
    CALL(futex(word, FUTEX_WAIT, 0, &negative, NULL, 0));
    CALL(futex((int *)((char *)word + 1), FUTEX_WAIT, 0, &t, NULL, 0));
    CALL(futex((int *)0x1000, FUTEX_WAIT, 0, &t, NULL, 0));
    CALL(futex(NULL, FUTEX_WAIT, 0, &t, NULL, 0));
    CALL(futex(word, 77, 0, &t, NULL, 0));
    return 0;
}
