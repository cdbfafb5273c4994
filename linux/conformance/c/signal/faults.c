// static. Faults of the processor as signals: number, code, address; and that ignoring them does not help.
#include "check.h"
static volatile int zero;
static const char *trap_name(void) {
    static char text[32];
    snprintf(text, sizeof text, "%s %d", signame(fault_sig), fault_code);
    return text;
}
#define TRAP(what, ...) do { if (sigsetjmp(fault_jump, 1) == 0) { __VA_ARGS__; printf("%s: nothing\n", what); } \
    else printf("%s: %s\n", what, trap_name()); } while (0)
int main(void) {
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    catch_faults();
    TRAP("division", zero = 7 / zero);
    TRAP("overflow of division", __asm__ volatile("xor %%edx, %%edx; mov $-1, %%eax; mov $0x80000000, %%edx; mov $1, %%ecx; idiv %%ecx" ::: "eax", "ecx", "edx"));
    TRAP("ud2", __asm__ volatile("ud2"));
    TRAP("int3", __asm__ volatile("int3"));
    TRAP("hlt", __asm__ volatile("hlt"));
    TRAP("non-canonical read", *(volatile int *)0x8000000000000000);
    TRAP("kernel read", *(volatile int *)0xffff880000000000);
    TRAP("null write", *(volatile int *)8 = 1);
    TRAP("x87", uint16_t cw = 0x37b; __asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" ::"m"(cw)));
    __asm__ volatile("fninit");
    TRAP("alignment of movaps", char space[64]; __asm__ volatile("movaps %%xmm0, (%0)" ::"r"(((uintptr_t)space & ~15UL) + 17) : "memory"));
    how("ignored", CHILD(signal(SIGSEGV, SIG_IGN); *(volatile int *)8 = 1));
    how("blocked", CHILD(sigset_t all; sigfillset(&all); sigprocmask(SIG_SETMASK, &all, NULL); *(volatile int *)8 = 1));
    how("in its own handler", CHILD(struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        if (sigsetjmp(fault_jump, 0) == 0) *(volatile int *)8 = 1; printf("once\n"); *(volatile int *)8 = 1));
    return 0;
}
