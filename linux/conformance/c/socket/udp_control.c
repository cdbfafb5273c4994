// Control messages of UDP: the address a datagram was sent to, its TTL, a time stamp's presence.
#include "net.h"
int main(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET}, to;
    bind(b, (sa)&any, sizeof any);
    set_option(b, IPPROTO_IP, IP_PKTINFO, 1);
    set_option(b, IPPROTO_IP, IP_RECVTTL, 1);
    set_option(b, SOL_SOCKET, SO_TIMESTAMP, 1);
    set_option(a, IPPROTO_IP, IP_TTL, 44);
    to = local4(port_of(b));
    sendto(a, "x", 1, 0, (sa)&to, sizeof to);
    char control[512], t[8];
    struct iovec v = {t, sizeof t};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CALL(recvmsg(b, &m, 0));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *i = (void *)CMSG_DATA(c);
            printf("to %s interface %d\n", inet_ntoa(i->ipi_addr), i->ipi_ifindex);
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
            printf("ttl %d\n", *(int *)CMSG_DATA(c));
        else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMP)
            printf("stamped %d\n", labs(((struct timeval *)CMSG_DATA(c))->tv_sec - time(NULL)) <= 2);
    }
    printf("flags %#x\n", m.msg_flags);
    sendto(a, "y", 1, 0, (sa)&to, sizeof to);
    m.msg_controllen = 4;
    CALL(recvmsg(b, &m, 0));
    printf("flags %#x\n", m.msg_flags);
    return 0;
}
