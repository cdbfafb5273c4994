// static. poll and ppoll: several descriptors, time-outs, bad ones, masks, interrupted.
#include "check.h"
static void handler(int sig) {}
int main(void) {
    int a[2], b[2];
    pipe(a);
    pipe(b);
    struct pollfd p[4] = {{a[0], POLLIN}, {b[0], POLLIN}, {-1, POLLIN, 77}, {99, POLLIN}};
    CALL(poll(p, 4, 0));
    printf("%#x %#x %#x %#x\n", p[0].revents, p[1].revents, p[2].revents, p[3].revents);
    long before = now_ms();
    CALL(poll(p, 2, 30));
    YES(now_ms() - before >= 29);
    CALL(poll(NULL, 0, 10));
    write(b[1], "x", 1);
    CALL(poll(p, 2, -1));
    printf("%#x %#x\n", p[0].revents, p[1].revents);
    p[1].events = 0;
    CALL(poll(p + 1, 1, 0));
    close(b[1]);
    CALL(poll(p + 1, 1, 0));
    printf("%#x\n", p[1].revents);
    CALL(poll((void *)1, 1, 0));
    CALL(poll(p, 100000000, 0));
    int f = open("f", O_RDWR | O_CREAT, 0600);
    struct pollfd file = {f, POLLIN | POLLOUT | POLLPRI};
    CALL(poll(&file, 1, -1));
    printf("%#x\n", file.revents);
    signal(SIGUSR1, handler);
    sigset_t block, none;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    raise(SIGUSR1);
    struct timespec t = {5, 0}, bad = {0, -1};
    CALL(ppoll(p, 1, &t, NULL) == 99);
    CALL(ppoll(p, 1, &t, &none));
    sigset_t now;
    sigprocmask(SIG_BLOCK, NULL, &now);
    show_set("mask", &now);
    CALL(ppoll(p, 1, &bad, NULL));
    return 0;
}
