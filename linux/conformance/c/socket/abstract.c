// static. Abstract AF_UNIX names: not in the file system, gone with the socket, binary, autobind.
#include "net.h"
int main(void) {
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0conformance\0binary"}, b;
    socklen_t len = offsetof(struct sockaddr_un, sun_path) + 19, n = sizeof b;
    CALL(bind(l, (sa)&a, len));
    CALL(listen(l, 1));
    CALL(connect(c, (sa)&a, len));
    CALL(connect(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, len - 1));
    CALL(getsockname(l, (sa)&b, &n));
    printf("%d %d\n", n == len, memcmp(a.sun_path, b.sun_path, 19) == 0);
    CALL(bind(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, len));
    CALL(access("conformance", F_OK));
    close(l);
    CALL(connect(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, len));
    OK(bind(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, len));
    int auto_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    CALL(bind(auto_, (sa)&a, sizeof(sa_family_t)));
    n = sizeof b;
    CALL(getsockname(auto_, (sa)&b, &n));
    printf("length %d, leading zero %d\n", n, b.sun_path[0] == 0);
    n = sizeof b;
    CALL(getsockname(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&b, &n));
    printf("unbound length %d\n", n);
    return 0;
}
