// static. The errors of socket, bind, listen, connect and accept.
#include "net.h"
int main(void) {
    CALL(socket(77, SOCK_STREAM, 0));
    CALL(socket(AF_INET, 77, 0));
    CALL(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    CALL(socket(AF_UNIX, SOCK_STREAM, 5));
    OK(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
    OK(socket(AF_UNIX, SOCK_RAW, 0));
    int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), f = open("f", O_RDWR | O_CREAT, 0600), l = listen4();
    struct sockaddr_in a = local4(port_of(l));
    CALL(listen(u, 1));
    CALL(listen(f, 1));
    CALL(listen(99, 1));
    CALL(accept(t, NULL, NULL));
    CALL(accept(u, NULL, NULL));
    CALL(accept(f, NULL, NULL));
    CALL(bind(f, (sa)&a, sizeof a));
    CALL(bind(t, (sa)1, sizeof a));
    CALL(connect(t, (sa)1, sizeof a));
    CALL(connect(t, (sa)&a, 1));
    CALL(connect(f, (sa)&a, sizeof a));
    CALL(connect(l, (sa)&a, sizeof a));
    CALL(getpeername(t, (sa)&a, &(socklen_t){sizeof a}));
    CALL(getsockname(f, (sa)&a, &(socklen_t){sizeof a}));
    CALL(getsockname(t, (sa)&a, &(socklen_t){-1}));
    CALL(read(t, &a, 1));
    CALL(lseek(t, 0, SEEK_SET));
    CALL(ftruncate(t, 0));
    CALL((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, u, 0));
    CALL(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){}));
    CALL(listen(t, 1));
    YES(port_of(t) != 0);
    int p[2];
    socklen_t n = 4;
    struct sockaddr_in shortened = {0};
    int c = connect4(ntohs(local4(port_of(l)).sin_port));
    CALL(getpeername(c, (sa)&shortened, &n));
    printf("length %d, family %d, address untouched %d\n", n, shortened.sin_family, shortened.sin_addr.s_addr == 0);
    return 0;
}
