// pthread_atfork handlers in their order; locks held over fork are usable in the child.
#include "check.h"
static void p1(void) { printf("prepare 1\n"); }
static void p2(void) { printf("prepare 2\n"); }
static void a1(void) { printf("parent 1\n"); }
static void c1(void) { printf("child 1\n"); }
static void c2(void) { printf("child 2\n"); }
static void *churn(void *arg) {
    while (!*(volatile int *)arg) free(malloc(100));
    return NULL;
}
int main(void) {
    volatile int stop = 0;
    pthread_t t;
    pthread_create(&t, NULL, churn, (void *)&stop);
    int good = 0;
    for (int i = 0; i < 30; i++) good += CHILD(void *p = malloc(1000); free(p); _exit(p ? 0 : 1)) == 0;
    stop = 1;
    pthread_join(t, NULL);
    printf("malloc works in %d children\n", good);
    pthread_atfork(p1, a1, c1);
    pthread_atfork(p2, NULL, c2);
    int go[2];
    pipe(go);
    pid_t pid = fork();
    if (pid == 0) {
        write(go[1], "x", 1);
        _exit(0);
    }
    reap(pid);
    return 0;
}
