// static. Reader-writer locks: many readers, one writer, try and timed forms.
#include "check.h"
static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
static long a, b, torn;
static void *write_(void *arg) {
    for (int i = 0; i < 3000; i++) {
        pthread_rwlock_wrlock(&l);
        a++;
        b++;
        pthread_rwlock_unlock(&l);
    }
    return NULL;
}
static void *read_(void *arg) {
    for (int i = 0; i < 3000; i++) {
        pthread_rwlock_rdlock(&l);
        if (a != b) torn++;
        pthread_rwlock_unlock(&l);
    }
    return NULL;
}
#define R(e) printf("%s: %s\n", #e, ({ int r_ = e; r_ ? name_of(r_) : "ok"; }))
static void *other(void *arg) {
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    R(pthread_rwlock_tryrdlock(&l));
    R(pthread_rwlock_trywrlock(&l));
    if (arg) R(pthread_rwlock_timedrdlock(&l, &when));
    else R(pthread_rwlock_unlock(&l));
    return NULL;
}
int main(void) {
    pthread_t t[6];
    for (int i = 0; i < 6; i++) pthread_create(&t[i], NULL, i % 2 ? write_ : read_, NULL);
    for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
    printf("%ld %ld torn %ld\n", a, b, torn);
    R(pthread_rwlock_rdlock(&l));
    pthread_create(t, NULL, other, NULL);
    pthread_join(*t, NULL);
    R(pthread_rwlock_unlock(&l));
    R(pthread_rwlock_wrlock(&l));
    pthread_create(t, NULL, other, t);
    pthread_join(*t, NULL);
    R(pthread_rwlock_unlock(&l));
    return 0;
}
