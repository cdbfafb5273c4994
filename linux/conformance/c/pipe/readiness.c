// static. What poll says of the two ends: empty, partly full, full, other end closed.
#include "check.h"
static void show(const char *what, int r, int w) {
    struct pollfd p[2] = {{r, POLLIN | POLLRDHUP}, {w, POLLOUT}};
    int n = poll(p, 2, 0);
    printf("%s: %d %#x %#x\n", what, n, p[0].revents, p[1].revents);
}
int main(void) {
    int p[2];
    static char block[65536];
    pipe2(p, O_NONBLOCK);
    show("empty", p[0], p[1]);
    write(p[1], "x", 1);
    show("one byte", p[0], p[1]);
    while (write(p[1], block, 4096) > 0) {}
    while (write(p[1], block, 1) > 0) {}
    show("full", p[0], p[1]);
    read(p[0], block, 4096);
    show("a page free", p[0], p[1]);
    close(p[1]);
    show("no writer", p[0], -1);
    while (read(p[0], block, sizeof block) > 0) {}
    show("and empty", p[0], -1);
    pipe2(p, O_NONBLOCK);
    close(p[0]);
    show("no reader", -1, p[1]);
    pipe(p);
    pid_t pid = SPAWN(pause_ms(20); write(p[1], "x", 1));
    struct pollfd one = {p[0], POLLIN};
    CALL(poll(&one, 1, -1));
    reap(pid);
    return 0;
}
