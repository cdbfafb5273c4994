// static. A file lives while it is open or mapped, without a name.
#include "check.h"
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    write(fd, "still here", 10);
    char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CALL(unlink("f"));
    CALL(access("f", F_OK));
    struct stat s;
    fstat(fd, &s);
    printf("links %d size %ld\n", (int)s.st_nlink, (long)s.st_size);
    char text[4200] = "";
    CALL(pread(fd, text, 100, 0));
    printf("%s\n", text);
    CALL(pwrite(fd, "STILL", 5, 0));
    printf("%.10s\n", p);
    int again = open("f", O_RDWR | O_CREAT | O_EXCL, 0600);
    YES(again >= 0);
    fstat(again, &s);
    printf("new file's size %ld\n", (long)s.st_size);
    char path[64], target[4200] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    readlink(path, target, sizeof target - 1);
    printf("%s\n", strrchr(target, '/'));
    memset(text, 0, sizeof text);
    get_file(path, text, sizeof text);
    printf("through /proc %s\n", text);
    close(fd);
    printf("mapped %.10s\n", p);
    mkdir("d", 0755);
    int d = open("d", O_RDONLY);
    CALL(rmdir("d"));
    CALL(openat(d, "x", O_CREAT | O_RDWR, 0600));
    fstat(d, &s);
    printf("directory links %d\n", (int)s.st_nlink);
    return 0;
}
