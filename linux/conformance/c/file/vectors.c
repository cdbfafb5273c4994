// static. readv, writev, preadv, pwritev and their second versions: lengths, limits, flags.
#include "check.h"
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    struct iovec v[] = {{"one", 3}, {NULL, 0}, {"two", 3}, {"three", 5}};
    CALL(writev(fd, v, 4));
    char a[4] = "", b[4] = "", c[20] = "";
    struct iovec r[] = {{a, 3}, {b, 3}, {c, 19}};
    lseek(fd, 0, SEEK_SET);
    CALL(readv(fd, r, 3));
    printf("%s %s %s\n", a, b, c);
    CALL(lseek(fd, 0, SEEK_CUR));
    CALL(preadv(fd, r, 2, 5));
    printf("%s %s\n", a, b);
    CALL(pwritev(fd, v, 1, 0));
    CALL(lseek(fd, 0, SEEK_CUR));
    CALL(preadv2(fd, r, 1, -1, 0));
    CALL(preadv2(fd, r, 1, 0, RWF_HIPRI));
    CALL(preadv2(fd, r, 1, 0, 0x1000000));
    CALL(pwritev2(fd, v, 1, 0, RWF_APPEND));
    struct stat s;
    fstat(fd, &s);
    printf("size %ld\n", (long)s.st_size);
    CALL(pwritev2(fd, v, 1, 0, RWF_DSYNC));
    CALL(readv(fd, r, 0));
    CALL(readv(fd, r, -1));
    CALL(readv(fd, r, 1025));
    struct iovec huge[] = {{a, SSIZE_MAX}, {b, 1}}, negative[] = {{a, -1UL}};
    CALL(readv(fd, huge, 2) >= 0 ? 0 : -1);
    CALL(readv(fd, negative, 1));
    CALL(preadv(fd, r, 1, -5));
    CALL(pread(fd, a, 1, -5));
    int p[2];
    pipe(p);
    CALL(pread(p[0], a, 1, 0));
    CALL(pwritev(p[1], v, 1, 0));
    CALL(writev(p[1], v, 4));
    CALL(readv(p[0], r, 3));
    printf("%s %s %s\n", a, b, c);
    return 0;
}
