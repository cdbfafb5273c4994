// Pseudo-terminals: names, nodes, isatty, locks, the end when one side closes.
#include "pty.h"
#include <sys/sysmacros.h>
int main(void) {
    int m = OK(posix_openpt(O_RDWR | O_NOCTTY)), n = -1;
    char *name = ptsname(m);
    YES(name && strncmp(name, "/dev/pts/", 9) == 0);
    CALL(ioctl(m, TIOCGPTN, &n));
    YES(atoi(name + 9) == n);
    CALL(open(name, O_RDWR | O_NOCTTY));
    CALL(grantpt(m));
    CALL(unlockpt(m));
    int s = OK(open(name, O_RDWR | O_NOCTTY));
    YES(isatty(s) && isatty(m));
    YES(strcmp(ttyname(s), name) == 0);
    struct stat st;
    fstat(s, &st);
    YES(S_ISCHR(st.st_mode) && major(st.st_rdev) == 136 && minor(st.st_rdev) == n);
    char t[100] = "", path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", s);
    readlink(path, t, sizeof t);
    YES(strcmp(t, name) == 0);
    CALL(isatty(open("/dev/null", O_RDONLY)));
    CALL(write(s, "to master\n", 10));
    show_output("master", m);
    type(m, "line\n");
    memset(t, 0, sizeof t);
    CALL(read(s, t, sizeof t));
    printf("slave %s", t);
    close(s);
    show_output("echo", m);
    struct pollfd p = {m, POLLIN};
    CALL(poll(&p, 1, 0));
    printf("%#x\n", p.revents);
    CALL(read(m, t, 1));
    s = open(name, O_RDWR | O_NOCTTY);
    CALL(poll(&p, 1, 0));
    close(m);
    CALL(read(s, t, 1));
    CALL(write(s, "x", 1));
    CALL(access(name, F_OK));
    return 0;
}
