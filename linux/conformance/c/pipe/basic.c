// static. Pipes: bytes in order, EOF, EPIPE, O_CLOEXEC and O_NONBLOCK, how much fits, FIONREAD.
#include "check.h"
#include <sys/ioctl.h>
int main(void) {
    int p[2], n;
    char t[20] = "";
    CALL(pipe(p));
    CALL(write(p[1], "hello", 5));
    CALL(ioctl(p[0], FIONREAD, &n));
    printf("waiting %d\n", n);
    CALL(read(p[0], t, 2));
    CALL(read(p[0], t, 20));
    CALL(read(p[1], t, 1));
    CALL(write(p[0], t, 1));
    CALL(write(p[1], t, 0));
    CALL(fcntl(p[0], F_GETFL));
    CALL(fcntl(p[1], F_GETFL));
    close(p[1]);
    CALL(read(p[0], t, 1));
    CALL(pipe2(p, O_CLOEXEC | O_NONBLOCK));
    CALL(fcntl(p[1], F_GETFD));
    CALL(read(p[0], t, 1));
    static char block[70000];
    CALL(write(p[1], block, sizeof block));
    CALL(write(p[1], block, 1));
    CALL(read(p[0], block, 4096));
    CALL(write(p[1], block, 4096));
    CALL(write(p[1], block, 4097));
    CALL(pipe2(p, 0x100));
    CALL(pipe2(p, O_DIRECT) == 0 || errno == EINVAL);
    struct stat s;
    fstat(p[0], &s);
    printf("%o %ld\n", s.st_mode, (long)s.st_size);
    return 0;
}
