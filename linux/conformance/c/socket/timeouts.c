// static. SO_RCVTIMEO and SO_SNDTIMEO on reads, writes and accept.
#include "net.h"
int main(void) {
    int s[2], l = listen4();
    char c;
    struct timeval t = {0, 30000};
    pair4(s);
    setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    long before = now_ms();
    CALL(read(s[0], &c, 1));
    YES(now_ms() - before >= 25);
    before = now_ms();
    CALL(accept(l, NULL, NULL));
    YES(now_ms() - before >= 25);
    static char big[1 << 20];
    ssize_t n;
    int rounds = 0;
    while ((n = write(s[0], big, sizeof big)) > 0 && rounds < 100) rounds++;
    printf("write: %s\n", name_of(errno));
    write(s[1], "x", 1);
    CALL(read(s[0], &c, 1));
    int u[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, u);
    setsockopt(u[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    CALL(read(u[0], &c, 1));
    t = (struct timeval){0, 2000000};
    CALL(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
    return 0;
}
