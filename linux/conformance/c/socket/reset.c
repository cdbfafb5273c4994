// static. A connection reset: by unread data at close and by linger 0; the errors on the other side.
#include "net.h"
static void look(int fd) {
    char c;
    struct pollfd p = {fd, POLLIN | POLLRDHUP};
    poll(&p, 1, 3000);
    printf("%#x\n", p.revents);
    CALL(read(fd, &c, 1));
    CALL(read(fd, &c, 1));
    CALL(send(fd, "x", 1, MSG_NOSIGNAL));
    CALL(send(fd, "x", 1, MSG_NOSIGNAL));
}
int main(void) {
    int s[2];
    struct linger g = {1, 0};
    pair4(s);
    setsockopt(s[1], SOL_SOCKET, SO_LINGER, &g, sizeof g);
    close(s[1]);
    look(s[0]);
    pair4(s);
    write(s[0], "unread", 6);
    readable(s[1]);
    close(s[1]);
    look(s[0]);
    pair4(s);
    close(s[1]);
    char c;
    CALL(read(s[0], &c, 1));
    CALL(send(s[0], "x", 1, MSG_NOSIGNAL));
    pause_ms(20);
    CALL(send(s[0], "x", 1, MSG_NOSIGNAL));
    return 0;
}
