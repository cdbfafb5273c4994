// static. The stack grows by itself down to its limit, and not beyond; frames of pages are fine.
#include "check.h"
static int deep(int n) {
    volatile char frame[8192];
    frame[0] = n;
    frame[8191] = n;
    return n == 0 ? 0 : deep(n - 1) + (frame[0] == (char)n && frame[8191] == (char)n);
}
static int endless(int n) {
    volatile char frame[4096];
    frame[0] = n;
    return endless(n + 1) + frame[0];
}
static char alternate[65536];
static void on_overflow(int sig, siginfo_t *info, void *context) {
    printf("overflow: %s %s\n", signame(sig), fault_code_name(sig, info->si_code));
    _exit(5);
}
int main(void) {
    printf("4 MiB deep: %d\n", deep(512));
    how("1 MiB limit", CHILD(struct rlimit l = {1 << 20, 8 << 20}; setrlimit(RLIMIT_STACK, &l); printf("%d\n", deep(64)); endless(0)));
    how("handler on its own stack", CHILD(
        stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
        sigaltstack(&stack, NULL);
        struct sigaction act = {.sa_sigaction = on_overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigaction(SIGSEGV, &act, NULL);
        struct rlimit l = {1 << 20, 8 << 20};
        setrlimit(RLIMIT_STACK, &l);
        endless(0)));
    how("a system call grows it", CHILD(char *low = (char *)__builtin_frame_address(0) - 300000;
        int fd = open("/dev/zero", O_RDONLY); printf("read %zd\n", read(fd, low, 4096))));
    return 0;
}
