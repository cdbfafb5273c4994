// static. Condition variables: signal, broadcast, timed waits on both clocks, a bounded queue between threads.
#include "check.h"
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static int queue[4], count, in, out, waiting, released;
static void *produce(void *arg) {
    for (int i = 1; i <= 1000; i++) {
        pthread_mutex_lock(&m);
        while (count == 4) pthread_cond_wait(&empty, &m);
        queue[in++ % 4] = i;
        count++;
        pthread_cond_signal(&full);
        pthread_mutex_unlock(&m);
    }
    return NULL;
}
static void *consume(void *arg) {
    long sum = 0;
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&m);
        while (count == 0) pthread_cond_wait(&full, &m);
        sum += queue[out++ % 4];
        count--;
        pthread_cond_signal(&empty);
        pthread_mutex_unlock(&m);
    }
    return (void *)sum;
}
static void *wait_all(void *arg) {
    pthread_mutex_lock(&m);
    waiting++;
    while (!released) pthread_cond_wait(&full, &m);
    waiting--;
    pthread_mutex_unlock(&m);
    return NULL;
}
int main(void) {
    pthread_t a[2], b[2];
    for (int i = 0; i < 2; i++) pthread_create(&a[i], NULL, produce, NULL), pthread_create(&b[i], NULL, consume, NULL);
    long total = 0;
    for (int i = 0; i < 2; i++) {
        void *r;
        pthread_join(a[i], NULL);
        pthread_join(b[i], &r);
        total += (long)r;
    }
    printf("total %ld\n", total);
    pthread_t t[8];
    for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, wait_all, NULL);
    for (int all = 0; !all;) pthread_mutex_lock(&m), all = waiting == 8, pthread_mutex_unlock(&m), sched_yield();
    pthread_mutex_lock(&m);
    released = 1;
    pthread_cond_broadcast(&full);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
    printf("still waiting %d\n", waiting);
    for (int clock = CLOCK_REALTIME; clock <= CLOCK_MONOTONIC; clock++) {
        pthread_condattr_t at;
        pthread_cond_t c;
        pthread_condattr_init(&at);
        pthread_condattr_setclock(&at, clock);
        pthread_cond_init(&c, &at);
        struct timespec when;
        clock_gettime(clock, &when);
        when.tv_nsec += 20000000;
        if (when.tv_nsec >= 1000000000) when.tv_sec++, when.tv_nsec -= 1000000000;
        pthread_mutex_lock(&m);
        printf("timed wait: %s\n", name_of(pthread_cond_timedwait(&c, &m, &when)));
        pthread_mutex_unlock(&m);
    }
    return 0;
}
