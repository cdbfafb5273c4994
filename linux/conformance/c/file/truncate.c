// static. truncate and ftruncate: zeros after growing, offsets stay, errors.
#include "check.h"
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    char text[20];
    write(fd, "0123456789", 10);
    CALL(ftruncate(fd, 4));
    CALL(lseek(fd, 0, SEEK_CUR));
    CALL(ftruncate(fd, 12));
    memset(text, 'z', sizeof text);
    CALL(pread(fd, text, sizeof text, 0));
    for (int i = 0; i < 13; i++) printf("%c", text[i] ? text[i] : '.');
    printf("\n");
    CALL(write(fd, "X", 1));
    CALL(truncate("f", 3));
    struct stat s;
    fstat(fd, &s);
    printf("size %ld\n", (long)s.st_size);
    CALL(read(fd, text, 5));
    CALL(ftruncate(fd, -1));
    CALL(truncate("none", 1));
    mkdir("d", 0700);
    CALL(truncate("d", 1));
    int ro = open("f", O_RDONLY), p[2];
    CALL(ftruncate(ro, 1));
    pipe(p);
    CALL(ftruncate(p[1], 1));
    CALL(ftruncate(99, 1));
    CALL(ftruncate(fd, 5000000000));
    fstat(fd, &s);
    printf("size %ld\n", (long)s.st_size);
    CALL(pwrite(fd, "end", 3, 4999999997));
    CALL(lseek(fd, -3, SEEK_END));
    CALL(read(fd, text, 10));
    printf("%.3s\n", text);
    return 0;
}
