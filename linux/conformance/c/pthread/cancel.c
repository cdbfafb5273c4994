// Cancellation: in a blocking call, deferred and asynchronous, with cleanup handlers; disabled for a while.
#include "check.h"
static void clean(void *text) { printf("cleanup %s\n", (char *)text); }
static void *block(void *arg) {
    char c;
    pthread_cleanup_push(clean, "outer");
    pthread_cleanup_push(clean, "inner");
    read(*(int *)arg, &c, 1);
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return NULL;
}
static volatile int started;
static void *spin(void *arg) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    started = 1;
    for (;;) {}
}
static void *disabled(void *arg) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    started = 1;
    pause_ms(30);
    printf("still here\n");
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    pthread_testcancel();
    return (void *)1;
}
static void join(const char *what, pthread_t t) {
    void *r;
    pthread_cancel(t);
    pthread_join(t, &r);
    printf("%s: %s\n", what, r == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
}
int main(void) {
    int p[2];
    pipe(p);
    pthread_t t;
    pthread_create(&t, NULL, block, &p[0]);
    pause_ms(10);
    join("blocked", t);
    pthread_create(&t, NULL, spin, NULL);
    while (!started) pause_ms(1);
    join("spinning", t);
    started = 0;
    pthread_create(&t, NULL, disabled, NULL);
    while (!started) pause_ms(1);
    join("disabled", t);
    return 0;
}
