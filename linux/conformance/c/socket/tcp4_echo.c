// static. TCP over IPv4: connect, accept, names of both ends, bytes there and back, end of file.
#include "net.h"
int main(void) {
    int l = listen4(), port = port_of(l);
    pid_t pid = SPAWN(struct sockaddr_in a; socklen_t n = sizeof a; int c = accept(l, (sa)&a, &n); char t[100]; ssize_t r;
        int right = a.sin_family == AF_INET && n == sizeof a && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
        while ((r = read(c, t, sizeof t)) > 0) { for (int i = 0; i < r; i++) t[i] ^= 0x20; write(c, t, r); } _exit(right * 2 + (r == 0)));
    int c = connect4(port);
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    CALL(getpeername(c, (sa)&a, &n));
    YES(ntohs(a.sin_port) == port && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && n == sizeof a);
    CALL(getsockname(c, (sa)&a, &n));
    YES(a.sin_port != 0 && a.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CALL(write(c, "hello", 5));
    char t[100] = "";
    CALL(recv(c, t, 5, MSG_WAITALL));
    printf("%s\n", t);
    CALL(shutdown(c, SHUT_WR));
    CALL(read(c, t, sizeof t));
    how("server", reap(pid));
    CALL(getsockname(l, (sa)&a, &n));
    CALL(getpeername(l, (sa)&a, &n));
    return 0;
}
