// static. Descriptors sent over AF_UNIX: they work, keep offsets, take CLOEXEC if asked, survive the sender.
#include "net.h"
static int pass(int socket, int *fds, int count, const char *text) {
    char control[CMSG_SPACE(sizeof(int) * 16)] = {0};
    struct iovec v = {(char *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * count)};
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    return sendmsg(socket, &m, 0);
}
static int take(int socket, int *fds, int room, int flags) {
    char control[CMSG_SPACE(sizeof(int) * 16)], text[20] = "";
    struct iovec v = {text, sizeof text - 1};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room ? CMSG_LEN(sizeof(int) * room) : 0};
    ssize_t n = recvmsg(socket, &m, flags);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int count = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
    if (c) memcpy(fds, CMSG_DATA(c), count * sizeof(int));
    printf("%zd bytes <%s>, %d descriptors, flags %#x\n", n, text, count, m.msg_flags);
    return count;
}
int main(void) {
    int s[2], f = open("f", O_RDWR | O_CREAT, 0600), got[16], two[2];
    char t[20] = "";
    write(f, "0123456789", 10);
    lseek(f, 4, SEEK_SET);
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    CALL(pass(s[0], &f, 1, "one"));
    take(s[1], got, 4, 0);
    CALL(read(got[0], t, 3));
    printf("%s\n", t);
    CALL(lseek(f, 0, SEEK_CUR));
    CALL(fcntl(got[0], F_GETFD));
    pipe(two);
    CALL(pass(s[0], two, 2, "pipe"));
    take(s[1], got, 4, MSG_CMSG_CLOEXEC);
    CALL(fcntl(got[0], F_GETFD));
    close(two[0]), close(two[1]);
    write(got[1], "through", 7);
    memset(t, 0, sizeof t);
    CALL(read(got[0], t, 10));
    printf("%s\n", t);
    pid_t pid = SPAWN(int g = open("g", O_RDWR | O_CREAT, 0600); write(g, "by the child", 12); pass(s[0], &g, 1, "dead"));
    reap(pid);
    take(s[1], got, 1, 0);
    memset(t, 0, sizeof t);
    CALL(pread(got[0], t, 12, 0));
    printf("%s\n", t);
    int three[3] = {f, f, f};
    pass(s[0], three, 3, "cut");
    take(s[1], got, 2, 0);
    pass(s[0], &f, 1, "a");
    send(s[0], "b", 1, 0);
    take(s[1], got, 2, 0);
    take(s[1], got, 2, 0);
    pass(s[0], &f, 1, "dropped");
    CALL(read(s[1], t, 20));
    pass(s[0], &f, 1, "none");
    take(s[1], got, 0, 0);
    int bad = 99;
    CALL(pass(s[0], &bad, 1, "bad"));
    CALL(pass(s[0], &s[1], 1, "itself"));
    take(s[1], got, 1, 0);
    return 0;
}
