// POSIX shared memory under /dev/shm between unrelated openings.
#include "check.h"
int main(void) {
    shm_unlink("/conformance");
    int fd = OK(shm_open("/conformance", O_RDWR | O_CREAT | O_EXCL, 0600));
    CALL(shm_open("/conformance", O_RDWR | O_CREAT | O_EXCL, 0600));
    CALL(ftruncate(fd, PAGE));
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    strcpy(p, "parent");
    how("child", CHILD(int g = shm_open("/conformance", O_RDWR, 0);
        char *q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, g, 0);
        printf("child sees %s\n", q); strcpy(q, "child")));
    printf("parent sees %s\n", p);
    CALL(access("/dev/shm/conformance", F_OK));
    CALL(shm_unlink("/conformance"));
    CALL(shm_open("/conformance", O_RDWR, 0));
    printf("still %s\n", p);
    return 0;
}
