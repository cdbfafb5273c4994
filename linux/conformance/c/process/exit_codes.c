// static. Exit codes are eight bits; exit_group ends all threads; handlers run in reverse; _exit runs none.
#include "check.h"
static void first(void) { printf("first registered\n"); }
static void second(void) { printf("second registered\n"); }
static void *quit(void *arg) { exit(21); }
static void *leave(void *arg) { syscall(SYS_exit, 5); return NULL; }
int main(void) {
    for (int i = -1; i < 3; i++) how("small", CHILD(_exit(i)));
    how("255", CHILD(_exit(255)));
    how("256", CHILD(_exit(256)));
    how("0x1ff", CHILD(_exit(0x1ff)));
    how("atexit", CHILD(atexit(first); atexit(second); exit(3)));
    how("_exit", CHILD(atexit(first); _exit(4)));
    how("exit in a thread", CHILD(pthread_t t; pthread_create(&t, NULL, quit, NULL); for (;;) pause()));
    how("leader's SYS_exit", CHILD(pthread_t t; pthread_create(&t, NULL, quit, NULL); syscall(SYS_exit, 1)));
    how("thread's SYS_exit", CHILD(pthread_t t; pthread_create(&t, NULL, leave, NULL); pause_ms(30); _exit(6)));
    how("abort", CHILD(abort()));
    how("kill", CHILD(raise(SIGKILL)));
    return 0;
}
