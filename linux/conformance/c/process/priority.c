// nice values and scheduling policies as programs ask for them.
#include "check.h"
int main(void) {
    setpriority(PRIO_PROCESS, 0, 0);
    CALL(getpriority(PRIO_PROCESS, 0));
    CALL(nice(5));
    CALL(getpriority(PRIO_PROCESS, 0));
    CALL(setpriority(PRIO_PROCESS, 0, 100));
    CALL(getpriority(PRIO_PROCESS, 0));
    CALL(setpriority(PRIO_PROCESS, 0, -100));
    printf("raw %ld\n", syscall(SYS_getpriority, PRIO_PROCESS, 0));
    how("child", CHILD(errno = 0; printf("inherits %d\n", getpriority(PRIO_PROCESS, 0))));
    CALL(setpriority(PRIO_PROCESS, 0, 0));
    CALL(getpriority(PRIO_PROCESS, 99999999));
    CALL(getpriority(9, 0));
    how("not root", CHILD(setuid(1000); CALL(setpriority(PRIO_PROCESS, 0, 3)); CALL(setpriority(PRIO_PROCESS, 0, 1))));
    CALL(sched_getscheduler(0));
    struct sched_param p = {7};
    CALL(sched_getparam(0, &p));
    printf("priority %d\n", p.sched_priority);
    CALL(sched_get_priority_max(SCHED_FIFO));
    CALL(sched_get_priority_min(SCHED_FIFO));
    CALL(sched_get_priority_max(SCHED_OTHER));
    CALL(sched_get_priority_max(77));
    p.sched_priority = 5;
    CALL(sched_setscheduler(0, SCHED_OTHER, &p));
    p.sched_priority = 0;
    CALL(sched_setscheduler(0, SCHED_BATCH, &p));
    CALL(sched_getscheduler(0));
    CALL(sched_yield());
    return 0;
}
