// static. lseek: all origins, holes loosely, beyond the end, what cannot seek.
#include "check.h"
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600), p[2];
    write(fd, "0123456789", 10);
    CALL(lseek(fd, 3, SEEK_SET));
    CALL(lseek(fd, 3, SEEK_CUR));
    CALL(lseek(fd, -4, SEEK_END));
    CALL(lseek(fd, -100, SEEK_CUR));
    CALL(lseek(fd, -1, SEEK_SET));
    CALL(lseek(fd, 0, 9));
    CALL(lseek(fd, 100, SEEK_SET));
    char c;
    CALL(read(fd, &c, 1));
    CALL(write(fd, "X", 1));
    struct stat s;
    fstat(fd, &s);
    printf("size %ld\n", (long)s.st_size);
    CALL(pread(fd, &c, 1, 50));
    printf("hole %d\n", c);
    CALL(lseek(fd, 0, SEEK_DATA));
    CALL(lseek(fd, 0, SEEK_HOLE) > 0);
    CALL(lseek(fd, 101, SEEK_DATA));
    CALL(lseek(fd, 101, SEEK_HOLE));
    CALL(lseek(fd, 100, SEEK_HOLE));
    ftruncate(fd, 1 << 20);
    pwrite(fd, "data", 4, 512 * 1024);
    CALL(lseek(fd, 512 * 1024, SEEK_DATA));
    CALL(lseek(fd, 1 << 20, SEEK_DATA));
    pipe(p);
    CALL(lseek(p[0], 0, SEEK_CUR));
    CALL(lseek(socket(AF_UNIX, SOCK_STREAM, 0), 0, SEEK_CUR));
    CALL(lseek(99, 0, SEEK_CUR));
    CALL(lseek(open("/dev/null", O_RDONLY), 55, SEEK_SET));
    return 0;
}
