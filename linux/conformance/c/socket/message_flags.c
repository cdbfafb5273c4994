// static. MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_TRUNC, MSG_NOSIGNAL on TCP; FIONREAD.
#include "net.h"
#include <sys/ioctl.h>
int main(void) {
    int s[2], n;
    char t[20] = "";
    pair4(s);
    CALL(recv(s[1], t, 5, MSG_DONTWAIT));
    write(s[0], "abcdef", 6);
    readable(s[1]);
    CALL(recv(s[1], t, 3, MSG_PEEK));
    printf("%s\n", t);
    CALL(recv(s[1], t, 3, MSG_PEEK));
    CALL(ioctl(s[1], FIONREAD, &n));
    printf("waiting %d\n", n);
    CALL(recv(s[1], t, 2, 0));
    printf("%.2s\n", t);
    CALL(recv(s[1], NULL, 2, MSG_TRUNC));
    CALL(recv(s[1], t, 5, MSG_DONTWAIT));
    printf("%.2s\n", t);
    pid_t pid = SPAWN(write(s[0], "12", 2); pause_ms(20); write(s[0], "345", 3));
    memset(t, 0, sizeof t);
    CALL(recv(s[1], t, 5, MSG_WAITALL));
    printf("%s\n", t);
    reap(pid);
    CALL(send(s[0], "", 0, 0));
    CALL(recv(s[1], t, 5, MSG_OOB));
    CALL(send(s[0], "more", 4, MSG_MORE));
    CALL(send(s[0], "end", 3, 0));
    CALL(recv(s[1], t, 7, MSG_WAITALL));
    CALL(recv(s[1], t, 5, MSG_ERRQUEUE));
    close(s[0]);
    CALL(read(s[1], t, 5));
    CALL(send(0, "x", 1, 0));
    CALL(send(99, "x", 1, 0));
    CALL(recv(socket(AF_INET, SOCK_STREAM, 0), t, 1, 0));
    CALL(send(socket(AF_INET, SOCK_STREAM, 0), t, 1, MSG_NOSIGNAL));
    return 0;
}
