// SA_RESTART: which calls go on after a handler and which say EINTR; without it all say EINTR.
#include "check.h"
#include <sys/epoll.h>
#include <linux/futex.h>
static int pipes[2];
static void handler(int sig) {}
/* Empties the pipe. */
#define CLEAN() do { fcntl(pipes[0], F_SETFL, O_NONBLOCK); while (read(pipes[0], &c, 1) == 1) {} \
    fcntl(pipes[0], F_SETFL, 0); FD_ZERO(&set); FD_SET(pipes[0], &set); } while (0)
/* Sends SIGUSR1 once the parent sleeps, then ends the wait of calls that go on. */
#define TRY(call) do { pid_t self = getpid(); \
    pid_t pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR1); pause_ms(40); write(pipes[1], "x", 1); _exit(3)); \
    CALL(call); reap(pid); CLEAN(); } while (0)
int main(void) {
    char c;
    int futex = 0;
    pipe(pipes);
    int e = epoll_create1(0);
    epoll_ctl(e, EPOLL_CTL_ADD, pipes[0], &(struct epoll_event){.events = EPOLLIN});
    struct pollfd p = {pipes[0], POLLIN};
    struct timespec one = {0, 500000000};
    for (int round = 0; round < 2; round++) {
        struct sigaction act = {.sa_handler = handler, .sa_flags = round == 0 ? SA_RESTART : 0};
        sigaction(SIGUSR1, &act, NULL);
        printf("%s SA_RESTART\n", round == 0 ? "with" : "without");
        fd_set set;
        CLEAN();
        TRY(read(pipes[0], &c, 1));
        TRY(poll(&p, 1, 5000));
        TRY(select(pipes[0] + 1, &set, NULL, NULL, NULL));
        struct epoll_event ev;
        TRY(epoll_wait(e, &ev, 1, 5000));
        TRY(nanosleep(&one, NULL));
        TRY(pause());
        TRY(syscall(SYS_futex, &futex, FUTEX_WAIT, 0, &one, NULL, 0));
        pid_t self = getpid(), pid = SPAWN(until_state(self, 'S'); kill(self, SIGUSR1); pause_ms(40); _exit(3));
        if (CALL(waitpid(pid, NULL, 0) > 0 ? 0 : -1) == -1) reap(pid);
        TRY(sigsuspend(&(sigset_t){}));
    }
    return 0;
}
