// static. Thread-local variables, keys with destructors, per-thread errno and stack attributes.
#include "check.h"
static __thread int number = 5;
static __thread char buffer[5000];
static pthread_key_t key;
static int destroyed;
static void destroy(void *p) { __atomic_add_fetch(&destroyed, *(int *)p, __ATOMIC_SEQ_CST); }
static void *run(void *arg) {
    int zero = 1;
    for (int i = 0; i < 5000; i++) zero &= buffer[i] == 0;
    int good = number == 5 && zero;
    number = (long)arg;
    memset(buffer, number, sizeof buffer);
    pthread_setspecific(key, &number);
    errno = number;
    sched_yield();
    pause_ms(2);
    good &= number == (long)arg && buffer[4999] == (char)number && errno == number && pthread_getspecific(key) == &number;
    return (void *)(long)good;
}
int main(void) {
    pthread_key_create(&key, destroy);
    pthread_t t[20];
    long good = 0;
    for (long i = 0; i < 20; i++) pthread_create(&t[i], NULL, run, (void *)(i + 1));
    for (int i = 0; i < 20; i++) {
        void *r;
        pthread_join(t[i], &r);
        good += (long)r;
    }
    printf("good %ld, destroyed %d, main's %d\n", good, destroyed, number);
    pthread_attr_t a;
    size_t size, guard;
    pthread_attr_init(&a);
    CALL(pthread_attr_setstacksize(&a, 100));
    pthread_attr_setstacksize(&a, 128 * 1024);
    pthread_attr_getstacksize(&a, &size);
    pthread_attr_getguardsize(&a, &guard);
    printf("stack %zu guard %zu\n", size, guard);
    pthread_create(t, &a, run, (void *)3L);
    void *r;
    pthread_join(*t, &r);
    printf("small stack: %ld\n", (long)r);
    how("forked child has its thread's variables", CHILD(number = 9; _exit(number + (getpid() == gettid()))));
    return 0;
}
