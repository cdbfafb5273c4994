// POSIX timers: one-shot and periodic, overruns, time left, deletion, SIGEV_NONE and SIGEV_THREAD_ID.
#include "check.h"
static volatile int count, in_thread;
static pid_t wanted;
static void handler(int sig, siginfo_t *info, void *context) {
    count++;
    in_thread = gettid() == wanted;
}
static volatile int notified;
static void notify(union sigval v) { notified = v.sival_int; }
int main(void) {
    struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGRTMIN, &act, NULL);
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    CALL(timer_create(CLOCK_MONOTONIC, &e, &t));
    struct itimerspec s = {{0, 3000000}, {0, 3000000}}, left;
    CALL(timer_settime(t, 0, &s, NULL));
    while (count < 3) pause();
    CALL(timer_gettime(t, &left));
    printf("interval %ld\n", left.it_interval.tv_nsec);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pause_ms(40);
    count = 0;
    siginfo_t info;
    struct timespec zero = {0, 0};
    int got = sigtimedwait(&set, &info, &zero);
    printf("pending one: %d, overruns some: %d\n", got == SIGRTMIN, info.si_overrun >= 3);
    CALL(timer_settime(t, 0, &(struct itimerspec){}, NULL));
    sigtimedwait(&set, &info, &zero);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CALL(timer_delete(t));
    CALL(syscall(SYS_timer_delete, 77));
    CALL(syscall(SYS_timer_gettime, 77, &left));
    e.sigev_notify = SIGEV_NONE;
    CALL(timer_create(CLOCK_REALTIME, &e, &t));
    s = (struct itimerspec){.it_value.tv_sec = 100};
    timer_settime(t, 0, &s, NULL);
    timer_gettime(t, &left);
    YES(left.it_value.tv_sec == 99 || left.it_value.tv_sec == 100);
    struct timespec past;
    clock_gettime(CLOCK_REALTIME, &past);
    s.it_value = past;
    CALL(timer_settime(t, TIMER_ABSTIME, &s, &left));
    YES(left.it_value.tv_sec >= 99);
    e = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, ._sigev_un._tid = gettid()};
    wanted = gettid();
    CALL(timer_create(CLOCK_MONOTONIC, &e, &t));
    s = (struct itimerspec){.it_value.tv_nsec = 1000000};
    count = 0;
    timer_settime(t, 0, &s, NULL);
    while (!count) pause_ms(1);
    printf("in the thread %d\n", in_thread);
    e = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notify, .sigev_value.sival_int = 31};
    CALL(timer_create(CLOCK_MONOTONIC, &e, &t));
    timer_settime(t, 0, &s, NULL);
    for (int i = 0; i < 1000 && !notified; i++) pause_ms(1);
    printf("notified %d\n", notified);
    e.sigev_notify = 99;
    CALL(timer_create(CLOCK_MONOTONIC, &e, &t));
    CALL(timer_create(99, NULL, &t));
    return 0;
}
