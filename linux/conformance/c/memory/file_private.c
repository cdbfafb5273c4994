// Private file mappings: the file's bytes, zeros after its end, own writes kept to oneself.
#include "check.h"
int main(void) {
    int fd = NEED(open("f", O_RDWR | O_CREAT, 0600));
    char block[3 * PAGE];
    for (size_t i = 0; i < sizeof block; i++) block[i] = 'a' + i / PAGE;
    NEED(write(fd, block, 2 * PAGE + 100));
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    close(fd);
    printf("%c %c %c %c\n", p[0], p[PAGE], p[2 * PAGE + 99], q[0]);
    int zeros = 1;
    for (size_t i = 2 * PAGE + 100; i < 3 * PAGE; i++) zeros &= p[i] == 0;
    YES(zeros);
    p[0] = 'X';
    p[PAGE + 5] = 'Y';
    printf("other mapping %c\n", q[5]);
    char c;
    fd = open("f", O_RDWR);
    pread(fd, &c, 1, 0);
    printf("file %c, memory %c\n", c, p[0]);
    pwrite(fd, "Z", 1, 2 * PAGE);
    pwrite(fd, "Z", 1, 1);
    printf("untouched page sees the file: %c; copied page: %c\n", p[2 * PAGE], p[1]);
    unlink("f");
    printf("after unlink %c\n", q[0]);
    how("child", CHILD(p[0] = 'C'; _exit(p[PAGE + 5] == 'Y')));
    printf("%c\n", p[0]);
    return 0;
}
