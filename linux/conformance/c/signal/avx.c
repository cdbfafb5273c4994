// static. The upper halves of the AVX registers survive signals, preemption and fork, where the processor has them.
#include "check.h"
static volatile int runs;
static void handler(int sig) {
    runs++;
    if (__builtin_cpu_supports("avx")) __asm__ volatile("vzeroall" ::: "xmm0");
}
__attribute__((target("avx"))) static long test(void) {
    long bad = 0;
    long long in[4] = {1, 2, 3, 4}, out[4];
    while (runs < 20) {
        __asm__ volatile("vmovdqu %1, %%ymm9; mov $3000, %%ecx; 1: dec %%ecx; jnz 1b; vmovdqu %%ymm9, %0" : "=m"(out) : "m"(in) : "rcx", "xmm9", "memory");
        bad += memcmp(in, out, sizeof in) != 0;
    }
    return bad;
}
int main(void) {
    signal(SIGALRM, handler);
    struct itimerval t = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &t, NULL);
    pid_t pid = SPAWN(setitimer(ITIMER_REAL, &t, NULL); _exit(__builtin_cpu_supports("avx") ? test() != 0 : 0));
    printf("bad %ld\n", __builtin_cpu_supports("avx") ? test() : 0L);
    how("child", reap(pid));
    return 0;
}
