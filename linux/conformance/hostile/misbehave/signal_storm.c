// Several processes send signals to one as fast as they can, queued ones too; it gets through them and goes on.
#include "witness.h"
static volatile long got;
static void handler(int sig) { got++; }
int main(void) {
    start_witness();
    struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &act, NULL);
    sigaction(SIGRTMIN, &act, NULL);
    pid_t self = getpid(), pid[4];
    for (int i = 0; i < 4; i++) pid[i] = SPAWN(for (int n = 0; n < 3000; n++) { kill(self, SIGUSR1); sigqueue(self, SIGRTMIN, (union sigval){}); });
    long start = now_ms();
    while (got < 100 && now_ms() - start < 10000) {}
    ask_witness();
    for (int i = 0; i < 4; i++) how("sender", reap(pid[i]));
    YES(got >= 100);
    ask_witness();
    end_witness();
    return 0;
}
