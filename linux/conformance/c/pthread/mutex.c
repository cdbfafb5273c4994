// static. Mutexes: exclusion under contention, trylock, recursive, error-checking, timed.
#include "check.h"
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static void *add(void *arg) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&m);
        counter++;
        pthread_mutex_unlock(&m);
    }
    return NULL;
}
#define R(e) printf("%s: %s\n", #e, ({ int r_ = e; r_ ? name_of(r_) : "ok"; }))
static void *try(void *arg) {
    R(pthread_mutex_trylock(arg));
    R(pthread_mutex_unlock(arg));
    return NULL;
}
int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, add, NULL);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    printf("counter %ld\n", counter);
    pthread_mutexattr_t a;
    pthread_mutex_t e;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&e, &a);
    R(pthread_mutex_lock(&e));
    R(pthread_mutex_lock(&e));
    pthread_create(t, NULL, try, &e);
    pthread_join(*t, NULL);
    R(pthread_mutex_unlock(&e));
    R(pthread_mutex_unlock(&e));
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&e, &a);
    R(pthread_mutex_lock(&e));
    R(pthread_mutex_lock(&e));
    R(pthread_mutex_unlock(&e));
    R(pthread_mutex_unlock(&e));
    R(pthread_mutex_unlock(&e));
    pthread_mutex_lock(&m);
    long before = now_ms();
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 20000000;
    if (when.tv_nsec >= 1000000000) when.tv_sec++, when.tv_nsec -= 1000000000;
    R(pthread_mutex_timedlock(&m, &when));
    YES(now_ms() - before >= 15);
    R(pthread_mutex_destroy(&m));
    return 0;
}
