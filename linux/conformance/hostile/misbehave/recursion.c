// Endless recursion in processes and threads: SIGSEGV to each, and to no one else.
#include "witness.h"
static int endless(int n) {
    volatile char frame[2000];
    frame[0] = n;
    return endless(n + 1) + frame[0];
}
static void *in_thread(void *arg) { return (void *)(long)endless(0); }
int main(void) {
    struct rlimit core = {0, 0}, stack = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_CORE, &core);
    start_witness();
    for (int i = 0; i < 5; i++) how("recursion", CHILD(setrlimit(RLIMIT_STACK, &stack); endless(0)));
    for (int i = 0; i < 3; i++) how("in a thread", CHILD(pthread_t t; pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setstacksize(&a, 65536); pthread_create(&t, &a, in_thread, NULL); pthread_join(t, NULL)));
    ask_witness();
    end_witness();
    return 0;
}
