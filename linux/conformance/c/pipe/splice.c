// splice, tee and vmsplice: between files and pipes, offsets, non-blocking, errors.
#include "check.h"
int main(void) {
    int p[2], q[2], f = open("f", O_RDWR | O_CREAT, 0600), g = open("g", O_RDWR | O_CREAT, 0600);
    char t[40] = "";
    pipe(p);
    pipe(q);
    write(f, "0123456789abcdef", 16);
    loff_t off = 4;
    CALL(splice(f, &off, p[1], NULL, 6, 0));
    printf("%ld\n", (long)off);
    CALL(tee(p[0], q[1], 100, 0));
    CALL(read(q[0], t, sizeof t));
    printf("%s\n", t);
    off = 2;
    CALL(splice(p[0], NULL, g, &off, 100, 0));
    printf("%ld\n", (long)off);
    memset(t, 0, sizeof t);
    CALL(pread(g, t, sizeof t, 0));
    printf("%d %s\n", t[0], t + 2);
    CALL(splice(p[0], NULL, g, NULL, 10, SPLICE_F_NONBLOCK));
    CALL(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK));
    lseek(f, 0, SEEK_SET);
    CALL(splice(f, NULL, p[1], NULL, 100, 0));
    CALL(lseek(f, 0, SEEK_CUR));
    CALL(splice(p[0], NULL, q[1], NULL, 5, 0));
    memset(t, 0, sizeof t);
    CALL(read(q[0], t, sizeof t));
    printf("%s\n", t);
    CALL(splice(f, NULL, g, NULL, 5, 0));
    CALL(splice(f, NULL, p[0], NULL, 5, 0));
    off = 0;
    CALL(splice(p[0], &off, g, NULL, 5, 0));
    CALL(tee(f, p[1], 5, 0));
    CALL(tee(p[0], p[1], 5, 0));
    struct iovec v = {"memory", 6};
    CALL(vmsplice(q[1], &v, 1, 0));
    memset(t, 0, sizeof t);
    CALL(read(q[0], t, sizeof t));
    printf("%s\n", t);
    close(p[1]);
    while (splice(p[0], NULL, g, NULL, 100, 0) > 0) {}
    CALL(splice(p[0], NULL, g, NULL, 100, 0));
    int s[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    write(s[0], "socket", 6);
    CALL(splice(s[1], NULL, q[1], NULL, 100, 0));
    CALL(splice(q[0], NULL, s[1], NULL, 100, 0));
    memset(t, 0, sizeof t);
    CALL(read(s[0], t, sizeof t));
    printf("%s\n", t);
    return 0;
}
