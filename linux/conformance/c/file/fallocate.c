// fallocate: growing, keeping the size, punching and zeroing holes; what a file system may refuse is shown as such.
#include "check.h"
#include <linux/falloc.h>
static void show(int fd) {
    struct stat s;
    char t[13] = "";
    fstat(fd, &s);
    pread(fd, t, 12, 4090);
    for (int i = 0; i < 12; i++) if (!t[i]) t[i] = '.';
    printf("  size %ld, around 4096 <%s>\n", (long)s.st_size, t);
}
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600), ro = open("f", O_RDONLY), p[2];
    CALL(fallocate(fd, 0, 0, 3 * PAGE));
    show(fd);
    char block[3 * PAGE];
    memset(block, 'x', sizeof block);
    pwrite(fd, block, sizeof block, 0);
    CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 2 * PAGE, 4 * PAGE));
    show(fd);
    CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
    show(fd);
    CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4092, 2));
    show(fd);
    CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PAGE));
    CALL(fallocate(fd, 0, -1, 10));
    CALL(fallocate(fd, 0, 0, 0));
    CALL(fallocate(ro, 0, 0, 10));
    CALL(fallocate(99, 0, 0, 10));
    pipe(p);
    CALL(fallocate(p[1], 0, 0, 10));
    CALL(fallocate(open(".", O_RDONLY), 0, 0, 10));
    printf("posix_fallocate: %d\n", posix_fallocate(fd, 0, 20000));
    show(fd);
    printf("posix_fadvise: %d\n", posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    printf("posix_fadvise: %s\n", name_of(posix_fadvise(fd, 0, 0, 99)));
    printf("posix_fadvise: %s\n", name_of(posix_fadvise(p[0], 0, 0, 0)));
    return 0;
}
