/* Loopback sockets for the programs that need them. */
#pragma once
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

typedef struct sockaddr *sa;

static inline struct sockaddr_in local4(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static inline struct sockaddr_in6 local6(int port) {
    return (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
}
static inline int port_of(int fd) {
    struct sockaddr_in6 a;
    socklen_t len = sizeof a;
    NEED(getsockname(fd, (sa)&a, &len));
    return ntohs(a.sin6_port); /* at the same place in sockaddr_in */
}
/* A listening socket on a port of the kernel's choice. */
static inline int listen4(void) {
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = local4(0);
    NEED(bind(fd, (sa)&a, sizeof a));
    NEED(listen(fd, 8));
    return fd;
}
static inline int connect4(int port) {
    int fd = NEED(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = local4(port);
    NEED(connect(fd, (sa)&a, sizeof a));
    return fd;
}
/* Two ends of one TCP connection. */
static inline void pair4(int s[2]) {
    int l = listen4();
    s[0] = connect4(port_of(l));
    s[1] = NEED(accept(l, NULL, NULL));
    close(l);
}
static inline int get_option(int fd, int level, int name) {
    int v = -1;
    socklen_t len = sizeof v;
    return getsockopt(fd, level, name, &v, &len) ? -errno : v;
}
static inline int set_option(int fd, int level, int name, int v) {
    return setsockopt(fd, level, name, &v, sizeof v);
}
/* Readable within the time that anything on loopback takes. */
static inline int readable(int fd) {
    struct pollfd p = {fd, POLLIN};
    return poll(&p, 1, 3000) == 1;
}
