// fork while other threads write: the child has one thread and a consistent copy.
#include "check.h"
static volatile int stop;
static volatile long counters[4][512];
static void *count(void *arg) {
    volatile long *c = arg;
    while (!stop) c[0]++;
    return NULL;
}
int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, count, (void *)counters[i]);
    int good = 0;
    for (int i = 0; i < 20; i++) {
        pause_ms(2);
        int s = CHILD(long before = counters[0][0] + counters[3][0]; usleep(1000);
            _exit(counters[0][0] + counters[3][0] == before ? 7 : 8));
        good += WEXITSTATUS(s) == 7;
    }
    stop = 1;
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    printf("children whose memory stood still: %d\n", good);
    YES(counters[0][0] > 0 && counters[3][0] > 0);
    return 0;
}
