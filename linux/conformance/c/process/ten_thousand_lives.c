// 10,000 processes one after the other, a tenth of them with exec and some in groups: memory is what it was afterwards.
#include "check.h"

enum { LIVES = 10000, PAGES = 8, SETTLED = 500 };

static long available(void) {
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    long kib = -1;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %ld", &kib) == 1) break;
    if (file) fclose(file);
    return kib;
}

static void live(char **argv, int number) {
    volatile char *heap = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int page = 0; page < PAGES; page++) heap[page * 4096] = 1;
    if (number % 10 == 0) {
        execl("/proc/self/exe", argv[0], "child", NULL);
        _exit(99);
    }
    _exit(number % 7);
}

int main(int argc, char **argv) {
    if (argc > 1) return 42;
    long before = 0;
    int right = 0, wrong = 0;
    for (int number = 0; number < LIVES;) {
        // One at a time, and five at a time for every hundredth.
        int count = number % 100 == 0 ? 5 : 1, first = number;
        pid_t pids[5];
        for (int i = 0; i < count; i++, number++)
            if ((pids[i] = NEED(fork())) == 0) live(argv, number);
        for (int i = 0; i < count; i++) {
            int status, expected = (first + i) % 10 == 0 ? 42 : (first + i) % 7;
            NEED(waitpid(pids[i], &status, 0));
            if (WIFEXITED(status) && WEXITSTATUS(status) == expected) right++;
            else wrong++;
        }
        if (number >= SETTLED && before == 0) before = available();
    }
    long lost = before - available();
    printf("lives that ended as they should: %d, otherwise: %d\n", right, wrong);
    printf("memory is back: %s\n", before > 0 && lost < 2048 ? "YES" : "NO");
    if (lost >= 2048) printf("%ld KiB of %ld are gone\n", lost, before);
    return 0;
}
