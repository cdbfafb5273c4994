// static. Flags that change nothing a program sees: MAP_STACK, MAP_POPULATE, MAP_LOCKED, MAP_32BIT, and mlock.
#include "check.h"
#define TRY(flag) do { char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flag, -1, 0); \
    printf("%s: %s\n", #flag, p == MAP_FAILED ? name_of(errno) : (p[PAGE] = 1, "ok")); \
    if (flag == MAP_32BIT) YES((uintptr_t)p < 1UL << 31); munmap(p, 2 * PAGE); } while (0)
int main(void) {
    TRY(MAP_STACK);
    TRY(MAP_POPULATE);
    TRY(MAP_32BIT);
    TRY(MAP_DENYWRITE);
    TRY(MAP_NORESERVE);
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    unsigned char v = 0;
    mincore(p, PAGE, &v);
    printf("populated: %d\n", v & 1);
    CALL(mlock(p, PAGE));
    CALL(munlock(p, PAGE));
    CALL(mlock((void *)0x3000, PAGE));
    CALL(mlockall(0));
    CALL(munlockall());
    return 0;
}
