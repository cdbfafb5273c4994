// static. What a new program finds: alignment of the stack, argc, a terminated environment, empty registers' worth.
#include "check.h"
extern char **environ;
int main(int argc, char **argv) {
    printf("argc %d, argv ends %d\n", argc, argv[argc] == NULL);
    YES(environ == argv + argc + 1);
    YES(((uintptr_t)argv & 7) == 0 && ((uintptr_t)(argv - 1) & 15) == 0);
    int sorted = 1;
    for (int i = 0; i + 1 < argc; i++) sorted &= argv[i] < argv[i + 1];
    YES(sorted);
    uint32_t mxcsr;
    uint16_t fcw;
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
    printf("mxcsr %#x fcw %#x\n", mxcsr, fcw);
    unsigned long flags;
    __asm__ volatile("pushfq; popq %0" : "=r"(flags));
    printf("flags %#lx\n", flags & 0x3f7700);
    uint16_t cs, ss;
    __asm__ volatile("mov %%cs, %0; mov %%ss, %1" : "=r"(cs), "=r"(ss));
    printf("rpl %d %d\n", cs & 3, ss & 3);
    return 0;
}
