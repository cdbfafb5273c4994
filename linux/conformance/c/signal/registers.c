// static. General, flag, x87 and SSE registers are as they were after a handler that uses them all.
#include "check.h"
static volatile int runs;
static void handler(int sig) {
    runs++;
    __asm__ volatile("fninit; fldpi; fldpi; pxor %%xmm0, %%xmm0; pxor %%xmm7, %%xmm7; pxor %%xmm15, %%xmm15; std; cld; xor %%eax, %%eax" ::: "eax", "xmm0", "xmm7", "xmm15");
    volatile double d = runs * 1.5;
}
int main(void) {
    signal(SIGALRM, handler);
    struct itimerval t = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &t, NULL);
    long bad = 0;
    while (runs < 20) {
        long a = 0x1111111111111111, b = 0, c;
        double x[2] = {1.25, -2.5}, y[2], z = 0;
        __asm__ volatile(
            "movupd %[x], %%xmm7; movupd %[x], %%xmm15; fld1; fldl2e; mov %[a], %%r12; mov %[a], %%r8; stc; mov $3000, %%ecx\n"
            "1: dec %%ecx; jnz 1b\n"
            "setc %%al; movzbl %%al, %%eax; mov %%rax, %[b]; mov %%r12, %[c]; xor %%r8, %[c]\n"
            "movapd %%xmm7, %%xmm0; subpd %%xmm15, %%xmm0; movupd %%xmm0, %[y]; fstp %%st(0); fstpl %[z]"
            : [b] "=&r"(b), [c] "=&r"(c), [y] "=m"(y), [z] "=m"(z)
            : [x] "m"(x), [a] "r"(a)
            : "rax", "rcx", "r8", "r12", "xmm0", "xmm7", "xmm15", "memory", "cc");
        bad += b != 1 || c != 0 || y[0] != 0 || y[1] != 0 || z != 1.0;
    }
    printf("bad %ld\n", bad);
    uint32_t csr = 0x1fa0 | 0x6000, now;
    __asm__ volatile("ldmxcsr %0" ::"m"(csr));
    raise(SIGALRM);
    __asm__ volatile("stmxcsr %0" : "=m"(now));
    printf("mxcsr %#x\n", now & 0xffc0);
    return 0;
}
