// Special files: fifos, sockets and device nodes made by hand, and what kinds mknod takes.
#include "check.h"
#include <sys/sysmacros.h>
int main(void) {
    struct stat s;
    CALL(mknod("fifo", S_IFIFO | 0640, 0));
    CALL(mknod("file", S_IFREG | 0640, 0));
    CALL(mknod("plain", 0640, 0));
    CALL(mknod("sock", S_IFSOCK | 0640, 0));
    CALL(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    CALL(mknod("dir", S_IFDIR | 0755, 0));
    CALL(mknod("fifo", S_IFIFO | 0640, 0));
    stat("fifo", &s);
    printf("%o\n", s.st_mode);
    stat("plain", &s);
    printf("%o\n", s.st_mode);
    stat("null", &s);
    printf("%o %d:%d\n", s.st_mode, major(s.st_rdev), minor(s.st_rdev));
    int fd = OK(open("null", O_RDWR));
    char c;
    CALL(write(fd, "gone", 4));
    CALL(read(fd, &c, 1));
    CALL(open("sock", O_RDONLY));
    how("user", CHILD(chmod(".", 0777); setuid(1000); CALL(mknod("mine", S_IFCHR | 0666, makedev(1, 3))); CALL(mknod("myfifo", S_IFIFO | 0600, 0))));
    CALL(mknod("none", S_IFCHR | 0600, makedev(400, 77)));
    CALL(open("none", O_RDONLY));
    return 0;
}
