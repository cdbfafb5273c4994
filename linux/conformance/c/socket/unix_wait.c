// Blocking AF_UNIX sockets: a full stream holds the writer up, a full backlog the client, closing wakes both.
#include "net.h"
int main(void) {
    int s[2];
    static char block[1 << 20];
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid_t pid = SPAWN(close(s[1]); _exit(write(s[0], block, sizeof block) == sizeof block ? 3 : 4));
    until_state(pid, 'S');
    long sum = 0;
    ssize_t n;
    close(s[0]);
    while ((n = read(s[1], block, 10000)) > 0) sum += n;
    printf("sum %ld\n", sum);
    how("writer", reap(pid));
    int l = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {AF_UNIX, "sock"};
    bind(l, (sa)&a, sizeof a);
    listen(l, 0);
    int c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CALL(connect(c, (sa)&a, sizeof a));
    int r = 0, tries = 0;
    while ((r = connect(d, (sa)&a, sizeof a)) == 0 && tries++ < 5) d = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    printf("full: %s\n", name_of(errno));
    pid = SPAWN(int w = socket(AF_UNIX, SOCK_STREAM, 0); _exit(connect(w, (sa)&a, sizeof a) == 0 ? 5 : 6));
    until_state(pid, 'S');
    OK(accept(l, NULL, NULL));
    how("connected", reap(pid));
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    pid = SPAWN(close(s[1]); char c; _exit(read(s[0], &c, 1) == 0 ? 7 : 8));
    close(s[0]);
    until_state(pid, 'S');
    close(s[1]);
    how("reader", reap(pid));
    return 0;
}
