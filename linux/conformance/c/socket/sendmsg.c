// static. sendmsg and recvmsg: gathered and scattered bytes, names, flags given back; the errors.
#include "net.h"
int main(void) {
    int s[2], a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = local4(0), to, from;
    bind(a, (sa)&any, sizeof any);
    bind(b, (sa)&any, sizeof any);
    to = local4(port_of(b));
    struct iovec v[] = {{"one ", 4}, {"two ", 4}, {"", 0}, {"three", 5}};
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = v, .msg_iovlen = 4};
    CALL(sendmsg(a, &m, 0));
    char x[6] = "", y[20] = "";
    struct iovec w[] = {{x, 5}, {y, 19}};
    struct msghdr r = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = w, .msg_iovlen = 2};
    CALL(recvmsg(b, &r, 0));
    printf("<%s> <%s> name %d right %d flags %#x\n", x, y, r.msg_namelen, ntohs(from.sin_port) == port_of(a), r.msg_flags);
    CALL(sendmsg(a, &m, 0));
    r.msg_iovlen = 1;
    r.msg_namelen = sizeof from;
    CALL(recvmsg(b, &r, 0));
    printf("flags %#x\n", r.msg_flags);
    CALL(sendmsg(a, &m, 0));
    CALL(recvmsg(b, &r, MSG_TRUNC));
    r.msg_namelen = 3;
    CALL(sendmsg(a, &m, 0));
    CALL(recvmsg(b, &r, 0));
    printf("true length %d\n", r.msg_namelen);
    m.msg_iovlen = 2000;
    CALL(sendmsg(a, &m, 0));
    m.msg_iovlen = 1;
    m.msg_namelen = 3;
    CALL(sendmsg(a, &m, 0));
    m.msg_name = NULL, m.msg_namelen = 0;
    CALL(sendmsg(a, &m, 0));
    CALL(sendmsg(a, (void *)1, 0));
    pair4(s);
    m.msg_iovlen = 4;
    CALL(sendmsg(s[0], &m, 0));
    r = (struct msghdr){.msg_iov = w, .msg_iovlen = 2};
    readable(s[1]);
    CALL(recvmsg(s[1], &r, 0));
    printf("flags %#x\n", r.msg_flags);
    return 0;
}
