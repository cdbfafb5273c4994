// pidfd_open: readable when the process ends, signals through it, waitid by it.
#include "check.h"
int main(void) {
    pid_t pid = SPAWN(for (;;) pause());
    int fd = OK(syscall(SYS_pidfd_open, pid, 0));
    CALL(fcntl(fd, F_GETFD));
    struct pollfd p = {fd, POLLIN, 0};
    CALL(poll(&p, 1, 0));
    CALL(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    CALL(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
    CALL(poll(&p, 1, 5000));
    YES(p.revents & POLLIN);
    siginfo_t info = {0};
    CALL(waitid(P_PIDFD, fd, &info, WEXITED));
    printf("status %d\n", info.si_status);
    CALL(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
    CALL(waitid(P_PIDFD, 0, &info, WEXITED));
    CALL(syscall(SYS_pidfd_open, 99999999, 0));
    CALL(syscall(SYS_pidfd_open, getpid(), 0x12345));
    CALL(syscall(SYS_pidfd_open, -1, 0));
    return 0;
}
