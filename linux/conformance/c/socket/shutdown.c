// static. Half-closed TCP connections: what each side can still do, and what poll says.
#include "net.h"
static void events(const char *what, int fd) {
    struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP};
    poll(&p, 1, 0);
    printf("%s: %#x\n", what, p.revents);
}
int main(void) {
    signal(SIGPIPE, SIG_IGN);
    int s[2];
    char t[20] = "";
    pair4(s);
    events("open", s[0]);
    write(s[0], "last words", 10);
    CALL(shutdown(s[0], SHUT_WR));
    CALL(write(s[0], "x", 1));
    CALL(recv(s[1], t, 10, MSG_WAITALL));
    printf("%s\n", t);
    CALL(read(s[1], t, 10));
    events("peer has shut down writing", s[1]);
    CALL(write(s[1], "answer", 6));
    CALL(recv(s[0], t, 6, MSG_WAITALL));
    events("own writing shut down", s[0]);
    CALL(shutdown(s[1], SHUT_WR));
    CALL(read(s[0], t, 10));
    events("both", s[0]);
    CALL(shutdown(s[0], SHUT_RDWR) == 0 || errno == ENOTCONN);
    pair4(s);
    CALL(shutdown(s[0], SHUT_RD));
    CALL(read(s[0], t, 10));
    CALL(shutdown(s[0], 9));
    int l = listen4(), u = socket(AF_INET, SOCK_STREAM, 0);
    CALL(shutdown(u, SHUT_RDWR));
    pid_t pid = SPAWN(_exit(accept(l, NULL, NULL) == -1 && errno == EINVAL ? 3 : 4));
    until_state(pid, 'S');
    CALL(shutdown(l, SHUT_RDWR));
    how("accept woken", reap(pid));
    return 0;
}
