// static. Code written at run time runs once the page is executable; a page that is not cannot be run.
#include "check.h"
typedef int (*function)(void);
int main(void) {
    catch_faults();
    static const unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(p, code, sizeof code);
    FAULT(p, ((function)p)());
    CALL(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    printf("%d\n", ((function)p)());
    FAULT(p, p[0] = 1);
    CALL(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
    p[1] = 43;
    printf("%d\n", ((function)p)());
    char stack[16];
    memcpy(stack, code, sizeof code);
    FAULT(stack, ((function)stack)());
    FAULT(main, *(volatile char *)main = 0);
    FAULT(0, ((function)0)());
    munmap(p, PAGE);
    FAULT(p, ((function)p)());
    return 0;
}
