// static. Some megabytes over TCP in both directions at once, in odd pieces, all bytes right.
#include "net.h"
static unsigned char value(size_t i) { return i * 2654435761u >> 11; }
static void *sender(void *arg) {
    int fd = *(int *)arg;
    static __thread unsigned char block[70000];
    size_t sent = 0, step = 1, size = 3 << 20;
    while (sent < size) {
        size_t n = step > size - sent ? size - sent : step;
        for (size_t i = 0; i < n; i++) block[i] = value(sent + i);
        for (size_t o = 0; o < n;) {
            ssize_t w = write(fd, block + o, n - o);
            if (w <= 0) return (void *)1;
            o += w;
        }
        sent += n;
        step = step * 3 % 65521 + 1;
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}
static size_t receive(int fd) {
    static __thread unsigned char block[50000];
    size_t got = 0, bad = 0;
    ssize_t n;
    while ((n = read(fd, block, sizeof block)) > 0) {
        for (ssize_t i = 0; i < n; i++) bad += block[i] != value(got + i);
        got += n;
    }
    return bad ? 0 : got;
}
int main(void) {
    int s[2];
    pair4(s);
    pid_t pid = SPAWN(close(s[0]); pthread_t t; pthread_create(&t, NULL, sender, &s[1]); size_t n = receive(s[1]); pthread_join(t, NULL); _exit(n == 3 << 20 ? 3 : 4));
    close(s[1]);
    pthread_t t;
    pthread_create(&t, NULL, sender, &s[0]);
    printf("received %zu\n", receive(s[0]));
    pthread_join(t, NULL);
    how("other side", reap(pid));
    return 0;
}
