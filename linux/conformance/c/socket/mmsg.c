// sendmmsg and recvmmsg: several datagrams in a call, partial results, the time-out.
#include "net.h"
int main(void) {
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = local4(0), to;
    bind(b, (sa)&any, sizeof any);
    to = local4(port_of(b));
    connect(a, (sa)&to, sizeof to);
    char out[5][8], in[8][8];
    struct iovec v[8];
    struct mmsghdr m[8] = {0};
    for (int i = 0; i < 5; i++) {
        int n = snprintf(out[i], 8, "msg%d%.*s", i, i, "....");
        v[i] = (struct iovec){out[i], n};
        m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
    }
    CALL(sendmmsg(a, m, 5, 0));
    for (int i = 0; i < 5; i++) printf("%d ", m[i].msg_len);
    printf("\n");
    for (int i = 0; i < 8; i++) v[i] = (struct iovec){in[i], 8}, m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
    CALL(recvmmsg(b, m, 3, 0, NULL));
    for (int i = 0; i < 3; i++) printf("%.*s ", m[i].msg_len, in[i]);
    printf("\n");
    CALL(recvmmsg(b, m, 8, MSG_DONTWAIT, NULL));
    CALL(recvmmsg(b, m, 8, MSG_DONTWAIT, NULL));
    CALL(sendmmsg(a, m, 1, 0));
    CALL(recvmmsg(b, m, 8, MSG_WAITFORONE, NULL));
    struct timespec bad = {0, -1};
    CALL(recvmmsg(b, m, 8, 0, &bad));
    CALL(sendmmsg(a, m, 0, 0));
    CALL(sendmmsg(99, m, 1, 0));
    return 0;
}
