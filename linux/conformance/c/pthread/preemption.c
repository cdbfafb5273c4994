// static. Threads that never call the kernel share the processor with others that wait for them.
#include "check.h"
static volatile long a, b;
static volatile int stop;
static void *spin(void *arg) {
    while (!stop) (*(volatile long *)arg)++;
    return NULL;
}
int main(void) {
    pthread_t t[2];
    pthread_create(&t[0], NULL, spin, (void *)&a);
    pthread_create(&t[1], NULL, spin, (void *)&b);
    long start = now_ms();
    while ((a < 1000 || b < 1000) && now_ms() - start < 5000) {}
    YES(a >= 1000 && b >= 1000);
    pid_t pid = SPAWN(for (volatile long i = 0;; i++) {});
    pause_ms(30);
    YES(now_ms() - start < 10000);
    kill(pid, SIGTERM);
    how("spinning process", reap(pid));
    stop = 1;
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    return 0;
}
