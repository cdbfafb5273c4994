/* Programs that fault, one after another and many at once: each is a signal, and the console does not drown. */
#include "witness.h"
int main(void) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    start_witness();
    int killed = 0;
    for (int i = 0; i < 200; i++) killed += WTERMSIG(CHILD(*(volatile char *)8 = 1)) == SIGSEGV;
    printf("one after another: %d\n", killed);
    ask_witness();
    for (int i = killed = 0; i < 10; i++) {
        pid_t pids[20];
        for (int j = 0; j < 20; j++) pids[j] = SPAWN(for (;;) *(volatile char *)8 = 1);
        for (int j = 0; j < 20; j++) killed += WTERMSIG(reap(pids[j])) == SIGSEGV;
    }
    printf("at once: %d\n", killed);
    ask_witness();
    end_witness();
    return 0;
}
