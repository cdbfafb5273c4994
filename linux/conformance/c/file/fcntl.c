// static. fcntl and dup: duplicating from a number up, flags of descriptors and of open files, errors.
#include "check.h"
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600), p[2];
    CALL(fcntl(fd, F_DUPFD, 100));
    CALL(fcntl(fd, F_DUPFD_CLOEXEC, 100));
    CALL(fcntl(100, F_GETFD));
    CALL(fcntl(101, F_GETFD));
    CALL(fcntl(100, F_SETFD, FD_CLOEXEC));
    CALL(fcntl(100, F_GETFD));
    CALL(dup2(100, 102));
    CALL(fcntl(102, F_GETFD));
    CALL(dup3(100, 103, O_CLOEXEC));
    CALL(fcntl(103, F_GETFD));
    CALL(dup3(100, 100, 0));
    CALL(dup2(100, 100));
    CALL(dup2(99, 99));
    CALL(dup3(100, 104, O_APPEND));
    CALL(dup2(99, 5));
    CALL(dup2(fd, -1));
    CALL(dup(99));
    CALL(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY));
    YES((fcntl(100, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (O_RDWR | O_APPEND | O_NONBLOCK));
    CALL(fcntl(fd, F_SETFL, 0));
    YES((fcntl(100, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == O_RDWR);
    pipe2(p, O_NONBLOCK);
    CALL(fcntl(p[0], F_GETPIPE_SZ));
    CALL(fcntl(p[0], F_SETPIPE_SZ, 10000));
    CALL(fcntl(p[0], F_GETPIPE_SZ));
    CALL(fcntl(fd, F_GETPIPE_SZ));
    CALL(fcntl(p[0], F_SETOWN, getpid()));
    CALL(fcntl(p[0], F_GETOWN) == getpid());
    CALL(fcntl(fd, 9999, 0));
    CALL(fcntl(99, F_GETFD));
    CALL(close(100));
    CALL(close(100));
    CALL(close(-1));
    CALL(syscall(SYS_close_range, 101, 103, 0));
    CALL(fcntl(102, F_GETFD));
    CALL(syscall(SYS_close_range, 5, 4, 0));
    CALL(dup2(fd, 200));
    CALL(syscall(SYS_close_range, 200, ~0U, 4 /* CLOEXEC */));
    CALL(fcntl(200, F_GETFD));
    return 0;
}
