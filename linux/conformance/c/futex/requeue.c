// static. FUTEX_REQUEUE, CMP_REQUEUE and WAKE_OP.
#include "check.h"
#include <linux/futex.h>
static long futex(int *at, int op, int value, long value2, int *at2, unsigned value3) {
    return syscall(SYS_futex, at, op, value, value2, at2, value3);
}
int main(void) {
    int *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *other = word + 1;
    pid_t pid[4];
    for (int i = 0; i < 4; i++) pid[i] = SPAWN(_exit(futex(word, FUTEX_WAIT, 0, 0, NULL, 0) == 0 ? 1 : 2));
    for (int i = 0; i < 4; i++) until_state(pid[i], 'S');
    CALL(futex(word, FUTEX_CMP_REQUEUE, 1, 2, other, 9));
    CALL(futex(word, FUTEX_CMP_REQUEUE, 1, 2, other, 0));
    CALL(futex(other, FUTEX_WAKE, 10, 0, NULL, 0));
    CALL(futex(word, FUTEX_WAKE, 10, 0, NULL, 0));
    for (int i = 0; i < 4; i++) how("waiter", reap(pid[i]));
    pid_t a = SPAWN(_exit(futex(word, FUTEX_WAIT, 0, 0, NULL, 0) == 0 ? 1 : 2));
    until_state(a, 'S');
    CALL(futex(word, FUTEX_REQUEUE, 0, 1, other, 0));
    CALL(futex(word, FUTEX_WAKE, 1, 0, NULL, 0));
    CALL(futex(other, FUTEX_WAKE, 1, 0, NULL, 0));
    how("requeued", reap(a));
    *word = 0;
    *other = 5;
    a = SPAWN(_exit(futex(word, FUTEX_WAIT, 0, 0, NULL, 0) == 0 ? 1 : 2));
    pid_t b = SPAWN(_exit(futex(other, FUTEX_WAIT, 5, 0, NULL, 0) == 0 ? 1 : 2));
    until_state(a, 'S');
    until_state(b, 'S');
    CALL(futex(word, FUTEX_WAKE_OP, 1, 1, other, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
    printf("other %d\n", *other);
    how("a", reap(a));
    how("b", reap(b));
    CALL(futex(word, FUTEX_WAKE_OP, 1, 1, other, FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_LT, 5)));
    printf("other %d\n", *other);
    return 0;
}
