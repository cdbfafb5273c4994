// File seals: what each forbids, in which order they can be set.
#include "check.h"
int main(void) {
    int fd = NEED(memfd_create("s", MFD_ALLOW_SEALING));
    NEED(ftruncate(fd, PAGE));
    CALL(fcntl(fd, F_GET_SEALS));
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    CALL(ftruncate(fd, 100));
    CALL(ftruncate(fd, 2 * PAGE));
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    CALL(ftruncate(fd, 3 * PAGE));
    CALL(pwrite(fd, "x", 1, 2 * PAGE));
    CALL(pwrite(fd, "x", 1, 0));
    CALL(fallocate(fd, 0, 0, 4 * PAGE));
    void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    munmap(p, PAGE);
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    CALL(pwrite(fd, "x", 1, 0));
    YES(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
    YES(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    CALL(fcntl(fd, F_GET_SEALS));
    CALL(fcntl(fd, F_ADD_SEALS, 0x1000));
    int file = open("f", O_RDWR | O_CREAT, 0600), p2[2];
    pipe(p2);
    CALL(fcntl(p2[0], F_GET_SEALS));
    fd = memfd_create("future", MFD_ALLOW_SEALING);
    ftruncate(fd, PAGE);
    char *map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
    CALL(pwrite(fd, "x", 1, 0));
    map[0] = 'm';
    char c = 0;
    pread(fd, &c, 1, 0);
    printf("%c\n", c);
    return 0;
}
