// flock and record locks on what is no regular file: pipes, sockets, devices, directories, event objects.
#include "check.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
static void try(const char *what, int one, int other) {
    printf("%s: ", what);
    if (one < 0) { printf("%s\n", name_of(errno)); return; }
    const char *first = flock(one, LOCK_EX | LOCK_NB) ? name_of(errno) : "locked";
    printf("%s, ", first);
    if (other >= 0) printf("the other %s, ", flock(other, LOCK_EX | LOCK_NB) ? name_of(errno) : "locked");
    printf("%s\n", flock(one, LOCK_UN) ? name_of(errno) : "unlocked");
}
int main(void) {
    int p[2], s[2];
    pipe(p);
    try("the ends of a pipe", p[0], p[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    try("a pair of sockets", s[0], s[1]);
    try("two TCP sockets", socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0));
    mkfifo("fifo", 0600);
    try("a FIFO opened twice", open("fifo", O_RDWR), open("fifo", O_RDWR));
    try("directories", open(".", O_RDONLY), open(".", O_RDONLY));
    try("/dev/null twice", open("/dev/null", O_RDWR), open("/dev/null", O_RDWR));
    try("/proc/self/status twice", open("/proc/self/status", O_RDONLY), open("/proc/self/status", O_RDONLY));
    try("memfd", memfd_create("m", 0), memfd_create("m", 0));
    try("an eventfd", eventfd(0, 0), -1);
    try("a timerfd", timerfd_create(CLOCK_MONOTONIC, 0), -1);
    try("an epoll instance", epoll_create1(0), -1);
    try("inotify", inotify_init(), -1);
    try("two eventfds", eventfd(0, 0), eventfd(0, 0));
    try("O_PATH", open("/", O_PATH), -1);
    // The lock goes with the last descriptor of its end.
    CALL(flock(p[0], LOCK_EX));
    int again = dup(p[0]);
    close(p[0]);
    CALL(flock(p[1], LOCK_SH | LOCK_NB));
    close(again);
    CALL(flock(p[1], LOCK_SH | LOCK_NB));
    // A waiter gets it when the other end lets go.
    pipe(p);
    CALL(flock(p[0], LOCK_EX));
    pid_t pid = SPAWN(close(p[0]); flock(p[1], LOCK_EX); printf("the child has it\n"));
    until_state(pid, 'S');
    printf("let go\n");
    flock(p[0], LOCK_UN);
    how("the child", reap(pid));
    struct flock l = {F_WRLCK, SEEK_SET, 0, 10};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    CALL(fcntl(fd, F_SETLK, &l));
    how("another process", CHILD(struct flock m = {F_RDLCK, SEEK_SET, 5, 1}; CALL(fcntl(fd, F_SETLK, &m));
        m.l_type = F_WRLCK; fcntl(fd, F_GETLK, &m); YES(m.l_type == F_WRLCK && m.l_pid == getppid() && m.l_start == 0 && m.l_len == 10)));
    l.l_type = F_UNLCK;
    CALL(fcntl(fd, F_SETLK, &l));
    return 0;
}
