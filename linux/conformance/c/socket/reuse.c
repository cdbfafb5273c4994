// static. Addresses in use: EADDRINUSE, SO_REUSEADDR, SO_REUSEPORT sharing, after close.
#include "net.h"
static int try(int type, int port, int reuseaddr, int reuseport, int backlog) {
    int fd = socket(AF_INET, type, 0);
    if (reuseaddr) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuseport) set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    struct sockaddr_in a = local4(port);
    if (bind(fd, (sa)&a, sizeof a) || (backlog && listen(fd, backlog))) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}
int main(void) {
    int a = try(SOCK_STREAM, 0, 0, 0, 4), port = port_of(a), b;
    CALL(try(SOCK_STREAM, port, 0, 0, 4));
    CALL(try(SOCK_STREAM, port, 1, 0, 4));
    CALL(try(SOCK_STREAM, port, 0, 1, 4));
    OK(try(SOCK_DGRAM, port, 0, 0, 0));
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    b = socket(AF_INET, SOCK_STREAM, 0);
    CALL(bind(b, (sa)&any, sizeof any));
    close(a);
    OK(a = try(SOCK_STREAM, port, 0, 1, 4));
    OK(b = try(SOCK_STREAM, port, 0, 1, 4));
    CALL(try(SOCK_STREAM, port, 0, 0, 4));
    struct sockaddr_in bound = local4(0);
    CALL(bind(a, (sa)&bound, sizeof bound));
    CALL(bind(socket(AF_INET, SOCK_STREAM, 0), (sa)&(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)}, sizeof bound));
    CALL(bind(socket(AF_INET, SOCK_STREAM, 0), (sa)&bound, 3));
    bound.sin_family = 77;
    CALL(bind(socket(AF_INET, SOCK_STREAM, 0), (sa)&bound, sizeof bound));
    how("user", CHILD(setuid(1000); int r = try(SOCK_STREAM, 80, 0, 0, 0); printf("port 80: %s\n", r >= 0 || errno == EACCES ? "as configured" : name_of(errno))));
    CALL(try(SOCK_DGRAM, port, 0, 0, 0) >= 0 ? 0 : -1);
    int u = try(SOCK_DGRAM, 0, 1, 0, 0), uport = port_of(u);
    OK(try(SOCK_DGRAM, uport, 1, 0, 0));
    CALL(try(SOCK_DGRAM, uport, 0, 0, 0));
    CALL(close(a));
    CALL(listen(u, 1));
    return 0;
}
