// static. execve: arguments and environment arrive, O_CLOEXEC descriptors are gone, the pid stays.
#include "check.h"
extern char **environ;
int main(int argc, char **argv) {
    if (argc > 1) {
        for (int i = 0; i < argc - 1; i++) printf("argv[%d] = <%s>\n", i, argv[i]);
        for (char **e = environ; *e; e++) printf("env <%s>\n", *e);
        printf("pid kept: %d\n", atoi(argv[argc - 1]) == getpid());
        CALL(fcntl(50, F_GETFD));
        CALL(fcntl(51, F_GETFD));
        CALL(fcntl(52, F_GETFD));
        return 6;
    }
    int null = NEED(open("/dev/null", O_RDONLY));
    NEED(dup2(null, 50));
    NEED(dup3(null, 51, O_CLOEXEC));
    NEED(dup2(null, 52));
    NEED(fcntl(52, F_SETFD, FD_CLOEXEC));
    char pid[16];
    how("child", CHILD(char pid[16]; snprintf(pid, sizeof pid, "%d", getpid());
        execve("/proc/self/exe", (char *[]){"name", "0", "", "two words", "\xc3\xa9", pid, NULL},
            (char *[]){"A=1", "B=", "noequals", NULL}); perror("execve"); _exit(9)));
    snprintf(pid, sizeof pid, "%d", getpid());
    execve("/proc/self/exe", (char *[]){"last", "one", pid, NULL}, (char *[]){NULL});
    return 1;
}
