// A handler during a read or write that has moved some bytes gives the count, not EINTR.
#include "check.h"
static void handler(int sig) {}
int main(void) {
    struct sigaction act = {.sa_handler = handler};
    sigaction(SIGUSR1, &act, NULL);
    int p[2];
    pipe(p);
    fcntl(p[1], F_SETPIPE_SZ, 4096);
    static char block[20000];
    pid_t self = getpid();
    pid_t pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR1));
    CALL(write(p[1], block, sizeof block));
    reap(pid);
    pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR1));
    CALL(write(p[1], block, 100));
    reap(pid);
    CALL(read(p[0], block, sizeof block));
    pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR1));
    CALL(read(p[0], block, sizeof block));
    reap(pid);
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid = SPAWN(write(s[1], "abc", 3); until_state(self, 'S'); pause_ms(20); kill(self, SIGUSR1));
    CALL(recv(s[0], block, 10, MSG_WAITALL));
    reap(pid);
    return 0;
}
