// static. A full pipe holds the writer up until there is room; closing the reader wakes it with SIGPIPE.
#include "check.h"
int main(void) {
    int p[2], done[2];
    static char block[65536];
    pipe(p);
    pipe(done);
    write(p[1], block, sizeof block);
    pid_t pid = SPAWN(close(p[0]); write(p[1], "abc", 3); write(done[1], "d", 1));
    until_state(pid, 'S');
    struct pollfd d = {done[0], POLLIN};
    CALL(poll(&d, 1, 20));
    read(p[0], block, 4096);
    CALL(poll(&d, 1, 2000));
    how("writer", reap(pid));
    while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], block, sizeof block) > 0) {}
    write(p[1], block, sizeof block);
    pid = SPAWN(close(p[0]); write(p[1], "abc", 3));
    until_state(pid, 'S');
    close(p[0]);
    how("writer without reader", reap(pid));
    int q[2];
    pipe(q);
    pid = SPAWN(close(q[1]); char c; _exit(read(q[0], &c, 1) == 0 ? 7 : 8));
    until_state(pid, 'S');
    close(q[1]);
    how("reader without writer", reap(pid));
    return 0;
}
