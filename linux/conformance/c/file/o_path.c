// O_PATH descriptors: what they can be used for and what is EBADF.
#include "check.h"
int main(void) {
    put_file("f", "text");
    mkdir("d", 0755);
    symlink("f", "link");
    int fd = OK(open("f", O_PATH));
    char c;
    struct stat s;
    CALL(read(fd, &c, 1));
    CALL(write(fd, "x", 1));
    CALL(fstat(fd, &s));
    CALL(lseek(fd, 0, SEEK_SET));
    CALL(fchmod(fd, 0600));
    CALL(ftruncate(fd, 0));
    CALL(fsync(fd));
    CALL(fcntl(fd, F_GETFL) == O_PATH || fcntl(fd, F_GETFL) == (O_PATH | 0100000));
    CALL(fcntl(fd, F_SETFL, O_APPEND));
    CALL(fcntl(fd, F_GETFD));
    OK(dup(fd));
    CALL((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
    char path[64], text[10];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    printf("reopened %s\n", get_file(path, text, sizeof text));
    int link = OK(open("link", O_PATH | O_NOFOLLOW));
    CALL(fstat(link, &s));
    YES(S_ISLNK(s.st_mode));
    memset(text, 0, sizeof text);
    CALL(readlinkat(link, "", text, sizeof text));
    printf("%s\n", text);
    int dir = OK(open("d", O_PATH | O_DIRECTORY));
    OK(openat(dir, "inside", O_CREAT | O_WRONLY, 0600));
    CALL(fchdir(dir));
    CALL(access("inside", F_OK));
    CALL(open("inside/..", O_PATH));
    CALL(syscall(SYS_getdents64, dir, text, 10));
    return 0;
}
