// Endless loops beside work: three processes and two threads that never call the kernel, and the work is still done.
#include "witness.h"
static void *spin(void *arg) { for (;;) {} }
int main(void) {
    start_witness();
    pid_t pid[3];
    for (int i = 0; i < 3; i++) pid[i] = SPAWN(for (;;) {});
    pid_t threads = SPAWN(pthread_t t; pthread_create(&t, NULL, spin, NULL); spin(NULL));
    long before = now_ms();
    for (int i = 0; i < 5; i++) ask_witness();
    YES(now_ms() - before < 10000);
    for (int i = 0; i < 3; i++) kill(pid[i], SIGTERM), how("spinner", reap(pid[i]));
    kill(threads, SIGTERM);
    how("threads", reap(threads));
    how("by its own alarm", CHILD(alarm(1); for (;;) {}));
    ask_witness();
    end_witness();
    return 0;
}
