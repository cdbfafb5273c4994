// copy_file_range and sendfile between files, pipes and sockets, with and without offsets.
#include "check.h"
#include <sys/sendfile.h>
int main(void) {
    int in = open("in", O_RDWR | O_CREAT, 0600), out = open("out", O_RDWR | O_CREAT, 0600), p[2], s[2];
    char block[10000], t[64] = "";
    for (int i = 0; i < 10000; i++) block[i] = 'a' + i % 26;
    write(in, block, sizeof block);
    lseek(in, 0, SEEK_SET);
    CALL(copy_file_range(in, NULL, out, NULL, 5000, 0));
    CALL(lseek(in, 0, SEEK_CUR));
    CALL(lseek(out, 0, SEEK_CUR));
    loff_t from = 9990, to = 2;
    CALL(copy_file_range(in, &from, out, &to, 100, 0));
    printf("%ld %ld\n", (long)from, (long)to);
    pread(out, t, 20, 0);
    printf("%s\n", t);
    CALL(copy_file_range(in, &from, out, NULL, 100, 0));
    CALL(copy_file_range(in, NULL, out, NULL, 10, 1));
    int ro = open("out", O_RDONLY), append = open("out", O_WRONLY | O_APPEND);
    CALL(copy_file_range(in, NULL, ro, NULL, 10, 0));
    CALL(copy_file_range(in, NULL, append, NULL, 10, 0));
    from = 0, to = 5;
    CALL(copy_file_range(in, &from, in, &to, 10, 0));
    pipe(p);
    CALL(copy_file_range(in, NULL, p[1], NULL, 10, 0));
    off_t at = 26;
    CALL(sendfile(p[1], in, &at, 30));
    printf("%ld\n", (long)at);
    memset(t, 0, sizeof t);
    CALL(read(p[0], t, sizeof t));
    printf("%s\n", t);
    lseek(in, 9998, SEEK_SET);
    CALL(sendfile(p[1], in, NULL, 30));
    CALL(sendfile(p[1], in, NULL, 30));
    lseek(out, 0, SEEK_SET), lseek(in, 0, SEEK_SET);
    CALL(sendfile(out, in, NULL, 10000));
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    at = 100;
    CALL(sendfile(s[0], in, &at, 50));
    CALL(read(s[1], t, 10));
    CALL(sendfile(out, s[1], NULL, 5) > 0 ? 0 : -1);
    CALL(sendfile(ro, in, NULL, 5));
    CALL(sendfile(99, in, NULL, 5));
    at = -1;
    CALL(sendfile(out, in, &at, 5));
    return 0;
}
