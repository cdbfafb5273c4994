// static. select and pselect: sets changed in place, time left, bad descriptors, limits.
#include "check.h"
#include <sys/select.h>
int main(void) {
    int a[2], b[2];
    pipe(a);
    pipe(b);
    fd_set r, w, e;
    FD_ZERO(&r); FD_ZERO(&w); FD_ZERO(&e);
    FD_SET(a[0], &r); FD_SET(b[0], &r); FD_SET(a[1], &w); FD_SET(a[0], &e);
    struct timeval t = {0, 0};
    CALL(select(b[1] + 1, &r, &w, &e, &t));
    printf("%d %d %d %d\n", FD_ISSET(a[0], &r), FD_ISSET(b[0], &r), FD_ISSET(a[1], &w), FD_ISSET(a[0], &e));
    write(b[1], "x", 1);
    FD_SET(a[0], &r); FD_SET(b[0], &r);
    t.tv_sec = 10;
    CALL(select(b[1] + 1, &r, NULL, NULL, &t));
    printf("%d %d\n", FD_ISSET(a[0], &r), FD_ISSET(b[0], &r));
    YES(t.tv_sec == 9 || t.tv_sec == 10);
    FD_ZERO(&r);
    FD_SET(a[0], &r);
    t = (struct timeval){0, 30000};
    long before = now_ms();
    CALL(select(a[0] + 1, &r, NULL, NULL, &t));
    YES(now_ms() - before >= 29);
    printf("left %ld\n", (long)t.tv_usec);
    FD_ZERO(&r);
    FD_SET(20, &r);
    CALL(select(21, &r, NULL, NULL, &t));
    CALL(select(0, NULL, NULL, NULL, &t));
    CALL(select(-1, NULL, NULL, NULL, &t));
    t = (struct timeval){-1, 0};
    CALL(select(0, NULL, NULL, NULL, &t));
    FD_ZERO(&r);
    FD_SET(a[0], &r);
    close(a[1]);
    CALL(select(a[0] + 1, &r, NULL, NULL, NULL));
    struct timespec ts = {0, 1000000};
    sigset_t set;
    sigemptyset(&set);
    FD_ZERO(&r);
    CALL(pselect(0, &r, NULL, NULL, &ts, &set));
    printf("unchanged %ld\n", ts.tv_nsec);
    return 0;
}
