// static. AF_UNIX streams: names, bytes, credentials of the peer, refused, in use, poll.
#include "net.h"
static struct sockaddr_un name(const char *path) {
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    strcpy(u.sun_path, path);
    return u;
}
int main(void) {
    int l = OK(socket(AF_UNIX, SOCK_STREAM, 0)), c = socket(AF_UNIX, SOCK_STREAM, 0), s;
    struct sockaddr_un a = name("sock"), b;
    socklen_t n = sizeof b;
    char t[100] = "";
    CALL(connect(c, (sa)&a, sizeof a));
    CALL(bind(l, (sa)&a, sizeof a));
    CALL(connect(c, (sa)&a, sizeof a));
    CALL(listen(l, 2));
    CALL(connect(c, (sa)&a, sizeof a));
    CALL(s = accept(l, (sa)&b, &n));
    printf("client's name length %d\n", n);
    n = sizeof b;
    CALL(getpeername(c, (sa)&b, &n));
    printf("%s %d\n", b.sun_path, n == offsetof(struct sockaddr_un, sun_path) + 5);
    struct ucred cred;
    n = sizeof cred;
    CALL(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &n));
    YES(cred.pid == getpid() && cred.uid == 0 && cred.gid == 0);
    CALL(write(c, "one", 3));
    CALL(write(c, "two", 3));
    CALL(read(s, t, sizeof t));
    printf("%s\n", t);
    CALL(shutdown(c, SHUT_WR));
    CALL(read(s, t, sizeof t));
    CALL(write(s, "answer", 6));
    CALL(read(c, t, sizeof t));
    close(s);
    CALL(read(c, t, sizeof t));
    CALL(send(c, "x", 1, MSG_NOSIGNAL));
    struct stat st;
    stat("sock", &st);
    printf("%d\n", S_ISSOCK(st.st_mode));
    int again = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(bind(again, (sa)&a, sizeof a));
    close(l);
    CALL(connect(again, (sa)&a, sizeof a));
    CALL(bind(again, (sa)&a, sizeof a));
    unlink("sock");
    CALL(bind(again, (sa)&a, sizeof a));
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    listen(again, 1);
    CALL(connect(d, (sa)&a, sizeof a));
    put_file("plain", "");
    a = name("plain");
    CALL(connect(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, sizeof a));
    a = name("none/x");
    CALL(bind(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, sizeof a));
    CALL(bind(socket(AF_UNIX, SOCK_STREAM, 0), (sa)&a, 200));
    return 0;
}
