// static. Join with a value, detached threads, pthread_exit of the main thread, self-join, once, many lives.
#include "check.h"
static void *value(void *arg) { return (char *)arg + 1; }
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int inits;
static void init(void) { inits++; }
static void *call_once(void *arg) {
    pthread_once(&once, init);
    return NULL;
}
static void *last(void *arg) {
    pause_ms(20);
    printf("last thread\n");
    exit(11);
}
int main(void) {
    pthread_t t, many[10];
    void *r;
    pthread_create(&t, NULL, value, (void *)41);
    printf("join %s", pthread_join(t, &r) ? "failed" : "ok");
    printf(", value %ld\n", (long)r);
    printf("self: %s\n", name_of(pthread_join(pthread_self(), NULL)));
    long sum = 0;
    for (int i = 0; i < 1000; i++) {
        pthread_create(&t, NULL, value, (void *)(long)i);
        pthread_join(t, &r);
        sum += (long)r;
    }
    printf("sum %ld\n", sum);
    for (int i = 0; i < 10; i++) pthread_create(&many[i], NULL, call_once, NULL);
    for (int i = 0; i < 10; i++) pthread_join(many[i], NULL);
    printf("inits %d\n", inits);
    for (int i = 0; i < 50; i++) {
        pthread_create(&t, NULL, call_once, NULL);
        pthread_detach(t);
    }
    how("main exits first", CHILD(pthread_create(&t, NULL, last, NULL); pthread_exit(NULL)));
    how("main exits last", CHILD(pthread_create(&t, NULL, value, NULL); pthread_join(t, NULL); pthread_exit(NULL)));
    return 0;
}
