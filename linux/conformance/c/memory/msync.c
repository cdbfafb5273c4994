// msync: its flags and errors, and that nothing changes for shared pages.
#include "check.h"
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    ftruncate(fd, 3 * PAGE);
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(p, "abc");
    CALL(msync(p, 3 * PAGE, MS_SYNC));
    CALL(msync(p, 3 * PAGE, MS_ASYNC));
    CALL(msync(p, PAGE, MS_SYNC | MS_INVALIDATE));
    CALL(msync(p, PAGE, MS_SYNC | MS_ASYNC));
    CALL(msync(p, PAGE, 64));
    CALL(msync(p + 1, PAGE, MS_SYNC));
    CALL(msync(p, 0, MS_SYNC));
    munmap(p + PAGE, PAGE);
    CALL(msync(p, 3 * PAGE, MS_SYNC));
    CALL(fsync(fd));
    CALL(fdatasync(fd));
    char text[4] = "";
    pread(fd, text, 3, 0);
    printf("%s\n", text);
    return 0;
}
