// static. Non-blocking connect and accept: EINPROGRESS, writable when done, SO_ERROR, refused ones.
#include "net.h"
int main(void) {
    int l = listen4();
    fcntl(l, F_SETFL, O_NONBLOCK);
    CALL(accept(l, NULL, NULL));
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CALL(fcntl(c, F_GETFD));
    struct sockaddr_in a = local4(port_of(l));
    int r = connect(c, (sa)&a, sizeof a);
    YES(r == 0 || errno == EINPROGRESS);
    struct pollfd p = {c, POLLOUT};
    CALL(poll(&p, 1, 3000));
    printf("error %d, %#x\n", get_option(c, SOL_SOCKET, SO_ERROR), p.revents);
    r = connect(c, (sa)&a, sizeof a);
    YES(r == 0 || errno == EISCONN);
    CALL(connect(c, (sa)&a, sizeof a));
    char t[10];
    CALL(read(c, t, 10));
    YES(readable(l));
    int s = OK(accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    CALL(fcntl(s, F_GETFD));
    YES(fcntl(s, F_GETFL) & O_NONBLOCK);
    int s2 = accept4(l, NULL, NULL, 0x7);
    printf("%s\n", name_of(errno));
    int gone = listen4();
    a = local4(port_of(gone));
    close(gone);
    int d = socket(AF_INET, SOCK_STREAM, 0);
    CALL(connect(d, (sa)&a, sizeof a));
    d = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    r = connect(d, (sa)&a, sizeof a);
    YES(r == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
    p.fd = d;
    poll(&p, 1, 3000);
    int e = get_option(d, SOL_SOCKET, SO_ERROR);
    YES(e == ECONNREFUSED || e == 0);
    printf("then %d\n", get_option(d, SOL_SOCKET, SO_ERROR));
    static char big[1 << 20];
    long sum = 0;
    ssize_t n;
    while ((n = write(c, big, sizeof big)) > 0) sum += n;
    printf("%s\n", name_of(errno));
    YES(sum > 4096);
    poll(&(struct pollfd){s, POLLIN}, 1, 3000);
    long got = 0;
    while (got < sum) {
        if (!readable(s)) break;
        n = read(s, big, sizeof big);
        if (n <= 0) break;
        got += n;
    }
    YES(got == sum);
    return 0;
}
