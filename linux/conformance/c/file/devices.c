// The device nodes programs count on: null, zero, full, tty, fd, stdin and so on, shm.
#include "check.h"
#include <sys/sysmacros.h>
int main(void) {
    const char *names[] = {"null", "zero", "full", "random", "urandom", "tty", "ptmx"};
    struct stat s;
    char t[64] = "zzzz", path[64];
    for (int i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "/dev/%s", names[i]);
        if (stat(path, &s)) printf("%s: %s\n", path, name_of(errno));
        else printf("%s: %o %d:%d\n", path, s.st_mode & ~07, major(s.st_rdev), minor(s.st_rdev));
    }
    int fd = OK(open("/dev/full", O_RDWR));
    CALL(write(fd, "x", 1));
    CALL(write(fd, "", 0));
    CALL(read(fd, t, 4));
    printf("%d\n", t[0]);
    fd = OK(open("/dev/null", O_RDWR));
    CALL(read(fd, t, 4));
    CALL(write(fd, t, 4));
    CALL(ftruncate(fd, 0));
    struct pollfd p = {fd, POLLIN | POLLOUT};
    CALL(poll(&p, 1, 0));
    printf("%#x\n", p.revents);
    OK(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600));
    CALL(stat("/dev/fd/0", &s));
    CALL(stat("/dev/stdin", &s));
    CALL(stat("/dev/shm", &s));
    YES(S_ISDIR(s.st_mode) && (s.st_mode & 01777) == 01777);
    CALL(stat("/dev/pts", &s));
    int f = open("f", O_RDWR | O_CREAT, 0600);
    write(f, "by descriptor", 13);
    snprintf(path, sizeof path, "/dev/fd/%d", f);
    printf("%s\n", get_file(path, t, sizeof t));
    CALL(open("/dev/none", O_RDONLY));
    return 0;
}
