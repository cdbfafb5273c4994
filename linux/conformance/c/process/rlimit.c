// Resource limits: get, set, inherit; descriptors and file size are enforced.
#include "check.h"
static void show(const char *name, int which) {
    struct rlimit l;
    NEED(getrlimit(which, &l));
    printf("%s %ld %ld\n", name, (long)l.rlim_cur, (long)l.rlim_max);
}
int main(void) {
    struct rlimit l = {10, 20};
    CALL(setrlimit(RLIMIT_NOFILE, &l));
    show("nofile", RLIMIT_NOFILE);
    int last = -1, fd;
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    printf("last descriptor %d, then %s\n", last, name_of(errno));
    CALL(dup(0));
    CALL(dup2(0, 15));
    CALL(fcntl(0, F_DUPFD, 15));
    CALL(fcntl(0, F_DUPFD, 0));
    close(9);
    int p[2];
    CALL(pipe(p));
    l = (struct rlimit){30, 20};
    CALL(setrlimit(RLIMIT_NOFILE, &l));
    how("inherited", CHILD(show("nofile", RLIMIT_NOFILE)));
    how("not root", CHILD(setuid(1000); l = (struct rlimit){20, 20}; CALL(setrlimit(RLIMIT_NOFILE, &l));
        l = (struct rlimit){20, 21}; CALL(setrlimit(RLIMIT_NOFILE, &l));
        l = (struct rlimit){5, 19}; CALL(setrlimit(RLIMIT_NOFILE, &l)); show("nofile", RLIMIT_NOFILE)));
    CALL(getrlimit(99, &l));
    CALL(setrlimit(99, &l));
    struct rlimit old, new = {3000000, 4000000};
    CALL(prlimit(getpid(), RLIMIT_AS, &new, NULL));
    CALL(prlimit(0, RLIMIT_AS, NULL, &old));
    printf("as %ld %ld\n", (long)old.rlim_cur, (long)old.rlim_max);
    CALL(prlimit(99999999, RLIMIT_AS, NULL, &old));
    return 0;
}
