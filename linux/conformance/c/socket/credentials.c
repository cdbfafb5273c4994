// SCM_CREDENTIALS: filled in by the kernel, checked when given, translated nowhere.
#include "net.h"
static void take(int fd, pid_t expect) {
    char control[256], text[8] = "";
    struct iovec v = {text, 7};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(fd, &m, 0);
    printf("%zd <%s>", n, text);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_type == SCM_CREDENTIALS) {
            struct ucred *u = (void *)CMSG_DATA(c);
            printf(" pid right %d uid %d gid %d", u->pid == expect, u->uid, u->gid);
        }
    printf("\n");
}
static int give(int fd, struct ucred u) {
    char control[CMSG_SPACE(sizeof u)] = {0};
    struct iovec v = {"given", 5};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS, .cmsg_len = CMSG_LEN(sizeof u)};
    memcpy(CMSG_DATA(c), &u, sizeof u);
    return sendmsg(fd, &m, 0);
}
int main(void) {
    int s[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
    write(s[0], "before", 6);
    CALL(set_option(s[1], SOL_SOCKET, SO_PASSCRED, 1));
    CALL(get_option(s[1], SOL_SOCKET, SO_PASSCRED));
    char t[10];
    CALL(recv(s[1], t, 10, 0));
    write(s[0], "auto", 4);
    take(s[1], getpid());
    pid_t pid = SPAWN(setgid(5); setuid(6); write(s[0], "child", 5));
    reap(pid);
    take(s[1], pid);
    CALL(give(s[0], (struct ucred){getpid(), 0, 0}));
    take(s[1], getpid());
    CALL(give(s[0], (struct ucred){getpid(), 77, 88}));
    take(s[1], getpid());
    pid = SPAWN(setgid(5); setuid(6); CALL(give(s[0], (struct ucred){getpid(), 0, 0})); CALL(give(s[0], (struct ucred){1, 6, 5})); CALL(give(s[0], (struct ucred){getpid(), 6, 5})));
    reap(pid);
    take(s[1], pid);
    struct ucred u;
    socklen_t n = sizeof u;
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    how("of a pair", CHILD(setuid(6); getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n); printf("creator %d uid %d\n", u.pid == getppid(), u.uid)));
    return 0;
}
