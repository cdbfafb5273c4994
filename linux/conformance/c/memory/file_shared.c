// Shared file mappings and read/write see the same bytes at once, in both directions and between processes.
#include "check.h"
int main(void) {
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0600));
    NEED(ftruncate(fd, 2 * PAGE));
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    char text[20] = "";
    strcpy(p, "memory");
    pread(fd, text, 6, 0);
    printf("read: %s, other mapping: %s\n", text, q);
    pwrite(fd, "written", 7, PAGE - 3);
    printf("memory: %.3s|%.4s\n", q + PAGE - 3, p + PAGE);
    how("child", CHILD(strcpy(p, "child"); int g = open("f", O_RDWR); pwrite(g, "own", 3, 100)));
    printf("%s %s\n", q, q + 100);
    CALL(msync(p, 2 * PAGE, MS_SYNC));
    CALL(munmap(p, 2 * PAGE));
    close(fd);
    fd = open("f", O_RDONLY);
    memset(text, 0, sizeof text);
    read(fd, text, 5);
    printf("after: %s\n", text);
    struct stat s;
    fstat(fd, &s);
    printf("size %ld\n", (long)s.st_size);
    return 0;
}
