// static. A handler that mends the cause and returns: the instruction runs again; or changes registers in the context.
#include "check.h"
#include <ucontext.h>
static char *page;
static int runs;
static void mend(int sig, siginfo_t *info, void *context) {
    runs++;
    mprotect((void *)((uintptr_t)info->si_addr & ~4095UL), PAGE, PROT_READ | PROT_WRITE);
}
static void skip(int sig, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    u->uc_mcontext.gregs[REG_RIP] += 2;
    u->uc_mcontext.gregs[REG_RBX] = 1234;
    printf("trap %lld\n", (long long)u->uc_mcontext.gregs[REG_TRAPNO]);
}
static void look(int sig, siginfo_t *info, void *context) {
    ucontext_t *u = context;
    printf("trap %lld error %lld cr2 right %d\n", (long long)u->uc_mcontext.gregs[REG_TRAPNO],
        (long long)u->uc_mcontext.gregs[REG_ERR], u->uc_mcontext.gregs[REG_CR2] == (long long)info->si_addr);
    mend(sig, info, context);
}
int main(void) {
    struct sigaction act = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &act, NULL);
    page = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4; i++) page[i * PAGE] = i + 1;
    printf("runs %d, sum %d\n", runs, page[0] + page[PAGE] + page[2 * PAGE] + page[3 * PAGE]);
    act.sa_sigaction = look;
    sigaction(SIGSEGV, &act, NULL);
    page[4 * PAGE] = 1;
    volatile char c = page[5 * PAGE];
    act.sa_sigaction = skip;
    sigaction(SIGILL, &act, NULL);
    long rbx = 0;
    __asm__ volatile("mov $5, %%rbx; ud2; mov %%rbx, %0" : "=r"(rbx)::"rbx");
    printf("rbx %ld\n", rbx);
    return 0;
}
