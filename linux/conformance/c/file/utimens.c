// static. Setting times: by name and descriptor, NOW and OMIT, on links, permissions, errors.
#include "check.h"
static void show(const char *name) {
    struct stat s;
    lstat(name, &s);
    printf("  %s %ld.%09ld %ld.%09ld\n", name, s.st_atim.tv_sec < 2000000000 ? (long)s.st_atim.tv_sec : 0, s.st_atim.tv_nsec, (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}
int main(void) {
    put_file("f", "x");
    struct timespec t[2] = {{1000, 123456789}, {2000, 987654321}};
    CALL(utimensat(AT_FDCWD, "f", t, 0));
    show("f");
    t[0] = (struct timespec){5, UTIME_OMIT};
    t[1] = (struct timespec){3000, 1};
    CALL(utimensat(AT_FDCWD, "f", t, 0));
    show("f");
    int fd = open("f", O_RDWR);
    t[0] = (struct timespec){-1000, 5};
    CALL(futimens(fd, t));
    show("f");
    symlink("f", "link");
    t[0] = (struct timespec){77, 0}, t[1] = (struct timespec){88, 0};
    CALL(utimensat(AT_FDCWD, "link", t, AT_SYMLINK_NOFOLLOW));
    show("link");
    show("f");
    CALL(utimensat(AT_FDCWD, "link", t, 0));
    show("f");
    struct stat s;
    CALL(utimensat(AT_FDCWD, "f", NULL, 0));
    stat("f", &s);
    YES(labs(s.st_mtime - time(NULL)) <= 2);
    t[0] = (struct timespec){9, 0}, t[1] = (struct timespec){0, UTIME_NOW};
    CALL(utimensat(AT_FDCWD, "f", t, 0));
    stat("f", &s);
    YES(s.st_atime == 9 && labs(s.st_mtime - time(NULL)) <= 2);
    t[0].tv_nsec = 1000000000;
    CALL(utimensat(AT_FDCWD, "f", t, 0));
    CALL(utimensat(AT_FDCWD, "none", NULL, 0));
    CALL(futimens(99, NULL));
    struct timeval v[2] = {{4000, 500000}, {5000, 600000}};
    CALL(utimes("f", v));
    show("f");
    chmod("f", 0644);
    t[0].tv_nsec = 0, t[1] = t[0];
    how("user", CHILD(setuid(1000); CALL(utimensat(AT_FDCWD, "f", t, 0)); CALL(utimensat(AT_FDCWD, "f", NULL, 0))));
    chmod("f", 0666);
    how("writer", CHILD(setuid(1000); CALL(utimensat(AT_FDCWD, "f", t, 0)); CALL(utimensat(AT_FDCWD, "f", NULL, 0))));
    return 0;
}
