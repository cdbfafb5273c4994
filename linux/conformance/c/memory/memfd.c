// memfd_create: a file without a name; size, mapping, sharing over fork, its link in /proc.
#include "check.h"
int main(void) {
    int fd = OK(memfd_create("name", MFD_CLOEXEC));
    CALL(fcntl(fd, F_GETFD));
    CALL(ftruncate(fd, 10000));
    struct stat s;
    fstat(fd, &s);
    printf("size %ld, mode %o, links %d\n", (long)s.st_size, s.st_mode, (int)s.st_nlink);
    char *p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(p + 5000, "hello");
    char text[100] = "", path[64];
    CALL(pread(fd, text, 5, 5000));
    printf("%s\n", text);
    how("child", CHILD(strcpy(p, "from the child"); pwrite(fd, "w", 1, 9000)));
    printf("%s %c\n", p, p[9000]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    memset(text, 0, sizeof text);
    readlink(path, text, sizeof text - 1);
    printf("link %s\n", text);
    int again = OK(open(path, O_RDWR));
    memset(text, 0, sizeof text);
    pread(again, text, 14, 0);
    printf("%s\n", text);
    CALL(fcntl(fd, F_GET_SEALS));
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    CALL(memfd_create("x", 0x8000));
    char name[300];
    memset(name, 'x', 299);
    name[299] = 0;
    CALL(memfd_create(name, 0));
    return 0;
}
