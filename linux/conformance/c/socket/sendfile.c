// sendfile to TCP: all of a file, parts that begin and end within pages, holes, the end, a full buffer, nobody at the other end.
#include "net.h"
#include <sys/sendfile.h>

enum { SIZE = 1 << 20 };
static char want[SIZE], got[SIZE + 1];
static int s[2];

static void take(size_t len, const char *from, const char *what) {
    size_t have = 0;
    while (have < len) {
        ssize_t step = read(s[1], got + have, len - have);
        if (step <= 0) break;
        have += step;
    }
    printf("%s: %zu %s\n", what, have, have == len && !memcmp(got, from, len) ? "as written" : "otherwise");
}

static void *reader(void *from) {
    take(SIZE, from, "all");
    return NULL;
}

int main(void) {
    int f = NEED(open("f", O_RDWR | O_CREAT, 0600));
    unsigned state = 1;
    for (int i = 0; i < SIZE; i++) want[i] = (state = state * 1664525 + 1013904223) >> 24;
    NEED(pwrite(f, want, SIZE, 0));
    pair4(s);
    pthread_t thread;
    pthread_create(&thread, NULL, reader, want);
    size_t sent = 0;
    while (sent < SIZE) sent += NEED(sendfile(s[0], f, NULL, SIZE - sent));
    pthread_join(thread, NULL);
    printf("offset %ld\n", (long)lseek(f, 0, SEEK_CUR));
    off_t at = 4090;
    CALL(sendfile(s[0], f, &at, 4110));
    take(4110, want + 4090, "within pages");
    printf("at %ld\n", (long)at);
    CALL(lseek(f, 100, SEEK_SET) == 100 ? 0 : -1);
    CALL(sendfile(s[0], f, NULL, 1));
    take(1, want + 100, "a byte");
    printf("offset %ld\n", (long)lseek(f, 0, SEEK_CUR));
    at = SIZE - 5;
    CALL(sendfile(s[0], f, &at, 100));
    take(5, want + SIZE - 5, "the last");
    CALL(sendfile(s[0], f, &at, 100));
    at = SIZE + 10000;
    CALL(sendfile(s[0], f, &at, 100));
    NEED(ftruncate(f, 0));
    NEED(ftruncate(f, 20000));
    NEED(pwrite(f, "middle", 6, 9000));
    memset(want, 0, 20000);
    memcpy(want + 9000, "middle", 6);
    at = 0;
    for (sent = 0; sent < 20000;) sent += NEED(sendfile(s[0], f, &at, 20000 - sent));
    take(20000, want, "holes");
    NEED(ftruncate(f, 8 << 20));
    NEED(fcntl(s[0], F_SETFL, O_NONBLOCK));
    at = 0;
    ssize_t step;
    while ((step = sendfile(s[0], f, &at, 8 << 20)) > 0) {}
    printf("full: %s, %s\n", strerrorname_np(errno), at > 0 && at < 8 << 20 ? "in part" : "otherwise");
    close(s[1]);
    signal(SIGPIPE, SIG_IGN);
    usleep(100000);
    sendfile(s[0], f, &at, 10);
    CALL(sendfile(s[0], f, &at, 10));
    return 0;
}
