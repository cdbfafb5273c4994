// RLIMIT_FSIZE: SIGXFSZ by default, EFBIG where it is ignored, short writes up to the limit.
#include "check.h"
int main(void) {
    struct rlimit l = {1000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &l);
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    static char block[600];
    how("default", CHILD(int fd = open("a", O_CREAT | O_WRONLY, 0600); printf("%zd\n", write(fd, block, 600));
        printf("%zd\n", write(fd, block, 600)); write(fd, block, 600)));
    signal(SIGXFSZ, SIG_IGN);
    int fd = open("b", O_CREAT | O_WRONLY, 0600);
    CALL(pwrite(fd, block, 600, 900));
    CALL(pwrite(fd, block, 600, 1000));
    CALL(ftruncate(fd, 1000));
    CALL(ftruncate(fd, 1001));
    CALL(fallocate(fd, 0, 0, 2000));
    struct stat s;
    fstat(fd, &s);
    printf("size %ld\n", (long)s.st_size);
    return 0;
}
