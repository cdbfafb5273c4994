// static. sigaltstack: the handler runs there, SS_ONSTACK inside, errors, SS_AUTODISARM, nesting stays on it.
#include "check.h"
static char space[65536];
static int within(void *p) { return (char *)p >= space && (char *)p < space + sizeof space; }
static void inner(int sig) {
    int local;
    printf("inner on the stack: %d\n", within(&local));
}
static void handler(int sig) {
    int local;
    stack_t now, other = {.ss_sp = malloc(32768), .ss_size = 32768};
    sigaltstack(NULL, &now);
    printf("on the stack: %d, flags %#x, size %zu\n", within(&local), now.ss_flags, now.ss_size);
    CALL(sigaltstack(&other, NULL));
    raise(SIGUSR2);
}
int main(void) {
    stack_t stack = {.ss_sp = space, .ss_size = sizeof space}, old;
    CALL(sigaltstack(NULL, &old));
    printf("flags %#x\n", old.ss_flags);
    struct sigaction act = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &act, NULL);
    act.sa_handler = inner;
    sigaction(SIGUSR2, &act, NULL);
    CALL(sigaltstack(&stack, &old));
    raise(SIGUSR1);
    sigaltstack(NULL, &old);
    printf("flags %#x, same %d\n", old.ss_flags, old.ss_sp == space);
    how("inherited by fork", CHILD(sigaltstack(NULL, &old); printf("same %d\n", old.ss_sp == space)));
    stack.ss_size = 100;
    CALL(sigaltstack(&stack, NULL));
    stack.ss_size = sizeof space;
    stack.ss_flags = 77;
    CALL(sigaltstack(&stack, NULL));
    CALL(sigaltstack((void *)1, NULL));
    stack.ss_flags = SS_DISABLE;
    CALL(sigaltstack(&stack, NULL));
    act.sa_handler = inner;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    stack.ss_flags = 1U << 31; /* SS_AUTODISARM */
    CALL(sigaltstack(&stack, NULL));
    act.sa_handler = handler;
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    sigaltstack(NULL, &old);
    printf("flags %#x\n", (unsigned)old.ss_flags);
    return 0;
}
