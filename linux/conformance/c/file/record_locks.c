// fcntl locks: of a process, by ranges, split and merged, dropped with any close; deadlock is seen; F_GETLK says who.
#include "check.h"
static int lock(int fd, int cmd, int type, long start, long len) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}
static void who(int fd, int type, long start, long len, pid_t expect) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    fcntl(fd, F_GETLK, &l);
    if (l.l_type == F_UNLCK) printf("  %ld+%ld free\n", start, len);
    else printf("  %ld+%ld held: type %d %ld+%ld by the expected one %d\n", start, len, l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid == expect);
}
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    pid_t me = getpid();
    CALL(lock(fd, F_SETLK, F_WRLCK, 0, 100));
    CALL(lock(fd, F_SETLK, F_UNLCK, 40, 20));
    how("child", CHILD(who(fd, F_WRLCK, 0, 0, me); who(fd, F_WRLCK, 40, 20, me); who(fd, F_RDLCK, 70, 5, me);
        CALL(lock(fd, F_SETLK, F_RDLCK, 10, 1)); CALL(lock(fd, F_SETLK, F_WRLCK, 45, 5)); close(fd)));
    CALL(lock(fd, F_SETLK, F_RDLCK, 0, 40));
    how("shared", CHILD(CALL(lock(fd, F_SETLK, F_RDLCK, 0, 10)); CALL(lock(fd, F_SETLK, F_WRLCK, 0, 10))));
    CALL(lock(fd, F_SETLK, F_WRLCK, 200, 0));
    how("to the end", CHILD(who(fd, F_WRLCK, 1000000, 1, me)));
    close(open("f", O_RDONLY));
    how("any close drops all", CHILD(who(fd, F_WRLCK, 0, 0, me)));
    int ro = open("f", O_RDONLY);
    CALL(lock(ro, F_SETLK, F_WRLCK, 0, 1));
    CALL(lock(fd, F_SETLK, 9, 0, 1));
    CALL(lock(fd, F_SETLK, F_WRLCK, -5, 1));
    CALL(lock(fd, F_SETLK, F_WRLCK, 10, -5));
    how("negative length", CHILD(who(fd, F_WRLCK, 4, 10, me)));
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    int go[2], c;
    pipe(go);
    CALL(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    pid_t pid = SPAWN(lock(fd, F_SETLK, F_WRLCK, 1, 1); write(go[1], "x", 1); _exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 3 : 4));
    read(go[0], &c, 1);
    until_state(pid, 'S');
    CALL(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
    lock(fd, F_SETLK, F_UNLCK, 0, 1);
    how("other", reap(pid));
    CALL(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
    return 0;
}
