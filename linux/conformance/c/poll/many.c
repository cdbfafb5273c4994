// static. poll over some hundred pipes finds those that are ready, in order.
#include "check.h"
int main(void) {
    struct rlimit l = {1000, 1000};
    setrlimit(RLIMIT_NOFILE, &l);
    int n = 300, pipes[300][2];
    struct pollfd p[300];
    for (int i = 0; i < n; i++) {
        NEED(pipe(pipes[i]));
        p[i] = (struct pollfd){pipes[i][0], POLLIN};
    }
    for (int i = 0; i < n; i += 37) write(pipes[i][1], "x", 1);
    CALL(poll(p, n, 0));
    for (int i = 0; i < n; i++) if (p[i].revents) printf("%d ", i);
    printf("\n");
    pid_t pid = SPAWN(pause_ms(10); write(pipes[299][1], "x", 1));
    for (int i = 0; i < n; i += 37) read(pipes[i][0], &(char){0}, 1);
    CALL(poll(p, n, 5000));
    for (int i = 0; i < n; i++) if (p[i].revents) printf("%d ", i);
    printf("\n");
    reap(pid);
    return 0;
}
