// static. getrandom: lengths, flags, that it differs each time; the random devices likewise.
#include "check.h"
#include <sys/random.h>
int main(void) {
    static char a[10000], b[10000];
    CALL(getrandom(a, 32, 0));
    CALL(getrandom(b, 32, GRND_NONBLOCK));
    YES(memcmp(a, b, 32) != 0);
    CALL(getrandom(a, sizeof a, 0));
    CALL(getrandom(b, 256, GRND_RANDOM));
    CALL(getrandom(b, 16, GRND_INSECURE));
    CALL(getrandom(b, 0, 0));
    CALL(getrandom(b, 16, 0x100));
    CALL(getrandom((void *)0x1000, 16, 0));
    CALL(getentropy(b, 256));
    CALL(getentropy(b, 257));
    int counts[256] = {0}, most = 0, least = 10000;
    for (int i = 0; i < 10000; i++) counts[(unsigned char)a[i]]++;
    for (int i = 0; i < 256; i++) most = counts[i] > most ? counts[i] : most, least = counts[i] < least ? counts[i] : least;
    YES(most < 100 && least > 5);
    const char *names[] = {"/dev/urandom", "/dev/random"};
    for (int i = 0; i < 2; i++) {
        int fd = OK(open(names[i], O_RDWR));
        CALL(read(fd, a, 64));
        CALL(read(fd, b, 64));
        YES(memcmp(a, b, 64) != 0);
        CALL(write(fd, "seed", 4));
    }
    return 0;
}
