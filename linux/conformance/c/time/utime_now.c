// The times of a file follow the clock: what is written now is not older than before, nor newer than after.
#include "check.h"
static long long ns(struct timespec t) { return t.tv_sec * 1000000000LL + t.tv_nsec; }
int main(void) {
    struct timespec a, b;
    struct stat s, r;
    clock_gettime(CLOCK_REALTIME_COARSE, &a);
    put_file("f", "x");
    stat("f", &s);
    clock_gettime(CLOCK_REALTIME, &b);
    YES(ns(s.st_mtim) >= ns(a) - 20000000 && ns(s.st_mtim) <= ns(b));
    YES(ns(s.st_ctim) == ns(s.st_mtim) || ns(s.st_ctim) > ns(a) - 20000000);
    pause_ms(30);
    int fd = open("f", O_RDWR);
    write(fd, "y", 1);
    fstat(fd, &r);
    YES(ns(r.st_mtim) > ns(s.st_mtim) && ns(r.st_ctim) > ns(s.st_ctim));
    pause_ms(30);
    fchmod(fd, 0600);
    fstat(fd, &s);
    YES(ns(r.st_mtim) == ns(s.st_mtim) && ns(r.st_ctim) < ns(s.st_ctim));
    stat(".", &r);
    pause_ms(30);
    put_file("g", "");
    stat(".", &s);
    YES(ns(s.st_mtim) > ns(r.st_mtim));
    return 0;
}
