// static. SIGPIPE from pipes and sockets; EPIPE where it is ignored or MSG_NOSIGNAL says so.
#include "check.h"
int main(void) {
    int p[2], s[2];
    pipe(p);
    close(p[0]);
    how("pipe", CHILD(write(p[1], "x", 1)));
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    close(s[0]);
    how("socket", CHILD(write(s[1], "x", 1)));
    how("MSG_NOSIGNAL", CHILD(CALL(send(s[1], "x", 1, MSG_NOSIGNAL))));
    signal(SIGPIPE, SIG_IGN);
    CALL(write(p[1], "x", 1));
    CALL(write(s[1], "x", 1));
    CALL(writev(p[1], &(struct iovec){"ab", 2}, 1));
    how("shell", system("trap '' PIPE; (sleep 0.05; echo late 2>/dev/null || echo refused >&2) | true"));
    return 0;
}
