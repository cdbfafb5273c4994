// Open-file-description locks: they conflict between descriptors of one process and go with the last close.
#include "check.h"
static int lock(int fd, int cmd, int type, long start, long len) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    return fcntl(fd, cmd, &l);
}
int main(void) {
    int a = open("f", O_RDWR | O_CREAT, 0600), b = open("f", O_RDWR), c = dup(a);
    CALL(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
    CALL(lock(c, F_OFD_SETLK, F_WRLCK, 0, 10));
    CALL(lock(b, F_OFD_SETLK, F_RDLCK, 5, 10));
    CALL(lock(b, F_OFD_SETLK, F_WRLCK, 10, 10));
    CALL(lock(a, F_SETLK, F_WRLCK, 0, 10));
    struct flock l = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 1};
    CALL(fcntl(b, F_OFD_GETLK, &l));
    printf("type %d %ld+%ld pid %d\n", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid);
    l.l_pid = 5;
    CALL(fcntl(b, F_OFD_GETLK, &l));
    how("child shares", CHILD(CALL(lock(a, F_OFD_SETLK, F_RDLCK, 0, 10)); CALL(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10))));
    close(open("f", O_RDONLY));
    CALL(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1));
    close(a);
    CALL(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1));
    close(c);
    CALL(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1));
    return 0;
}
