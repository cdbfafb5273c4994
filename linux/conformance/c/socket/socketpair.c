// static. socketpair of each kind, over fork, with flags; which families have it.
#include "net.h"
int main(void) {
    int s[2];
    char t[20] = "";
    int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        CALL(socketpair(AF_UNIX, kinds[i] | SOCK_CLOEXEC, 0, s));
        CALL(fcntl(s[0], F_GETFD));
        pid_t pid = SPAWN(read(s[1], t, 5); t[0]++; write(s[1], t, 5));
        CALL(write(s[0], "Aello", 5));
        CALL(read(s[0], t, sizeof t));
        printf("%.5s\n", t);
        reap(pid);
        close(s[1]);
        printf("peer gone: %zd\n", recv(s[0], t, 1, MSG_DONTWAIT));
        if (kinds[i] != SOCK_STREAM) CALL(send(s[0], "x", 1, MSG_NOSIGNAL));
    }
    CALL(socketpair(AF_INET6, SOCK_STREAM, 0, s));
    CALL(socketpair(AF_UNIX, 99, 0, s));
    CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, (void *)1));
    return 0;
}
