// signalfd: blocked signals are read as structs, poll says when, the mask can be changed.
#include "check.h"
#include <sys/signalfd.h>
int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = OK(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    struct signalfd_siginfo info[4];
    CALL(read(fd, info, sizeof info));
    struct pollfd p = {fd, POLLIN};
    CALL(poll(&p, 1, 0));
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 12});
    kill(getpid(), SIGUSR1);
    CALL(poll(&p, 1, 0));
    CALL(read(fd, info, 10));
    CALL(read(fd, info, sizeof info) / (long)sizeof *info);
    printf("%s code %d, %s value %d\n", signame(info[0].ssi_signo), info[0].ssi_code, signame(info[1].ssi_signo), info[1].ssi_int);
    YES(info[0].ssi_pid == getpid() && info[0].ssi_uid == 0);
    pid_t pid = SPAWN(_exit(6));
    fcntl(fd, F_SETFL, 0);
    CALL(read(fd, info, sizeof info[0]) == sizeof info[0]);
    printf("%s status %d pid right %d\n", signame(info[0].ssi_signo), info[0].ssi_status, info[0].ssi_pid == pid);
    reap(pid);
    sigdelset(&set, SIGUSR1);
    YES(signalfd(fd, &set, 0) == fd);
    kill(getpid(), SIGUSR1);
    CALL(poll(&p, 1, 0));
    CALL(signalfd(0, &set, 0));
    CALL(signalfd(99, &set, 0));
    CALL(signalfd(-1, &set, 0x1234567));
    CALL(write(fd, "x", 1));
    return 0;
}
