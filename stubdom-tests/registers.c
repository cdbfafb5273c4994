/* Runs in dom0 beside an HVM guest and says whether its vector registers keep what it puts into them.
 *
 * Usage: registers SECONDS. Its last line is "registers: N rounds, M changed". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REGISTERS = 8, SPINS = 2000000 };

struct vectors { uint64_t word[REGISTERS][2]; } __attribute__((aligned(16)));

/* Loads the registers, lets time pass, and stores them: nothing between touches them but a switch to another program or domain. */
static void hold(const struct vectors *in, struct vectors *out)
{
    uint64_t spins = SPINS;
    __asm__ volatile(
        "movdqa (%1), %%xmm0\n movdqa 16(%1), %%xmm1\n movdqa 32(%1), %%xmm2\n movdqa 48(%1), %%xmm3\n"
        "movdqa 64(%1), %%xmm4\n movdqa 80(%1), %%xmm5\n movdqa 96(%1), %%xmm6\n movdqa 112(%1), %%xmm7\n"
        "1: dec %0\n jnz 1b\n"
        "movdqa %%xmm0, (%2)\n movdqa %%xmm1, 16(%2)\n movdqa %%xmm2, 32(%2)\n movdqa %%xmm3, 48(%2)\n"
        "movdqa %%xmm4, 64(%2)\n movdqa %%xmm5, 80(%2)\n movdqa %%xmm6, 96(%2)\n movdqa %%xmm7, 112(%2)\n"
        : "+r"(spins)
        : "r"(in), "r"(out)
        : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
    uint64_t rounds = 0, changed = 0;
    struct vectors in, out;
    while (time(NULL) < end) {
        rounds++;
        for (unsigned index = 0; index < REGISTERS; index++) {
            in.word[index][0] = rounds * 0x9e3779b97f4a7c15u + index;
            in.word[index][1] = ~in.word[index][0];
        }
        hold(&in, &out);
        changed += memcmp(&in, &out, sizeof in) != 0;
        /* Not all of the CPU: the guest's devices need it. */
        nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
    }
    printf("registers: %llu rounds, %llu changed\n", (unsigned long long)rounds, (unsigned long long)changed);
    return changed != 0;
}
