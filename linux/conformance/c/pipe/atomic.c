// static. Writes of up to PIPE_BUF bytes are never mixed with others; larger ones all arrive.
#include "check.h"
int main(void) {
    int p[2];
    pipe(p);
    for (int i = 0; i < 4; i++)
        SPAWN(char block[1000]; memset(block, 'a' + i, sizeof block); for (int j = 0; j < 100; j++) write(p[1], block, sizeof block));
    close(p[1]);
    char block[1000];
    int counts[4] = {0}, mixed = 0;
    for (;;) {
        size_t have = 0;
        ssize_t n;
        while (have < 1000 && (n = read(p[0], block + have, 1000 - have)) > 0) have += n;
        if (have < 1000) break;
        for (int i = 1; i < 1000; i++) mixed += block[i] != block[0];
        counts[block[0] - 'a']++;
    }
    printf("%d %d %d %d mixed %d\n", counts[0], counts[1], counts[2], counts[3], mixed);
    while (wait(NULL) > 0) {}
    pipe(p);
    pid_t pid = SPAWN(static char big[300000]; memset(big, 'x', sizeof big); _exit(write(p[1], big, sizeof big) == sizeof big ? 5 : 6));
    close(p[1]);
    long sum = 0;
    ssize_t n;
    while ((n = read(p[0], block, 777)) > 0) sum += n;
    printf("arrived %ld\n", sum);
    how("writer", reap(pid));
    return 0;
}
