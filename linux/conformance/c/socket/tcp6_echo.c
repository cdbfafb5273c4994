// static. TCP over IPv6, IPV6_V6ONLY, and IPv4 clients of a dual-stack listener.
#include "net.h"
int main(void) {
    int l = OK(socket(AF_INET6, SOCK_STREAM, 0));
    struct sockaddr_in6 a = local6(0), b;
    socklen_t n = sizeof b;
    CALL(bind(l, (sa)&a, sizeof a));
    CALL(listen(l, 4));
    int c = OK(socket(AF_INET6, SOCK_STREAM, 0));
    a = local6(port_of(l));
    CALL(connect(c, (sa)&a, sizeof a));
    int s = OK(accept(l, (sa)&b, &n));
    printf("family %d length %d loopback %d\n", b.sin6_family == AF_INET6, n, IN6_IS_ADDR_LOOPBACK(&b.sin6_addr));
    CALL(write(c, "six", 3));
    char t[64] = "";
    CALL(read(s, t, sizeof t));
    printf("%s\n", t);
    int dual = socket(AF_INET6, SOCK_STREAM, 0);
    CALL(set_option(dual, IPPROTO_IPV6, IPV6_V6ONLY, 0));
    a = (struct sockaddr_in6){.sin6_family = AF_INET6};
    CALL(bind(dual, (sa)&a, sizeof a));
    CALL(listen(dual, 4));
    int four = connect4(port_of(dual));
    n = sizeof b;
    s = OK(accept(dual, (sa)&b, &n));
    printf("mapped %d %s\n", IN6_IS_ADDR_V4MAPPED(&b.sin6_addr), inet_ntop(AF_INET6, &b.sin6_addr, t, sizeof t));
    int only = socket(AF_INET6, SOCK_STREAM, 0), other = socket(AF_INET, SOCK_STREAM, 0);
    CALL(set_option(only, IPPROTO_IPV6, IPV6_V6ONLY, 1));
    CALL(get_option(only, IPPROTO_IPV6, IPV6_V6ONLY));
    CALL(bind(only, (sa)&a, sizeof a));
    listen(only, 1);
    struct sockaddr_in f = local4(port_of(only));
    CALL(connect(other, (sa)&f, sizeof f));
    CALL(bind(socket(AF_INET6, SOCK_STREAM, 0), (sa)&a, 10));
    return 0;
}
