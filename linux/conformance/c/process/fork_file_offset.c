// A forked child shares the open file (offset, flags) but not the table of descriptors.
#include "check.h"
int main(void) {
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0600));
    NEED(write(fd, "0123456789", 10));
    lseek(fd, 0, SEEK_SET);
    how("child", CHILD(char c[4] = ""; read(fd, c, 3); printf("child read %s\n", c);
        fcntl(fd, F_SETFL, O_APPEND); fcntl(fd, F_SETFD, FD_CLOEXEC); close(fd)));
    CALL(lseek(fd, 0, SEEK_CUR));
    YES(fcntl(fd, F_GETFL) & O_APPEND);
    CALL(fcntl(fd, F_GETFD));
    int two = dup(fd);
    lseek(two, 5, SEEK_SET);
    CALL(lseek(fd, 0, SEEK_CUR));
    int other = open("f", O_RDONLY);
    CALL(lseek(other, 0, SEEK_CUR));
    return 0;
}
