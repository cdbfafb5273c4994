// static. The errors of mmap, munmap and mprotect.
#include "check.h"
#define MAP(...) do { void *p_ = mmap(__VA_ARGS__); printf("mmap(%s): %s\n", #__VA_ARGS__, p_ == MAP_FAILED ? name_of(errno) : "ok"); } while (0)
int main(void) {
    int ro = NEED(open("f", O_RDONLY | O_CREAT, 0600)), wo = NEED(open("f", O_WRONLY)), rw = NEED(open("f", O_RDWR));
    int dir = NEED(open(".", O_RDONLY)), p[2];
    pipe(p);
    MAP(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_SHARED_VALIDATE | MAP_ANONYMOUS | 0x8000000, -1, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, 1);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0);
    MAP(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0);
    MAP(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
    MAP(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0);
    MAP((void *)(PAGE + 1), PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MAP((void *)0x800000000000, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MAP((void *)-PAGE, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MAP(NULL, -1UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MAP(NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MAP(NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, -PAGE);
    char *m = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CALL(munmap(m + 1, PAGE));
    CALL(munmap(m, 0));
    CALL(munmap((void *)-PAGE, 2 * PAGE));
    CALL(mprotect(m + 1, PAGE, PROT_READ));
    CALL(mprotect(m, 0, PROT_READ));
    CALL(mprotect(m, PAGE, 0x7777));
    CALL(mprotect((void *)0x1000, PAGE, PROT_READ));
    char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
    CALL(mprotect(shared, PAGE, PROT_READ | PROT_WRITE));
    CALL(munmap(shared, PAGE));
    return 0;
}
