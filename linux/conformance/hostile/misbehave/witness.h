/* A process that was there before the trouble and must still answer after it. */
#pragma once
#include "../../c/check.h"
static int to_witness[2], from_witness[2];
static pid_t witness_pid;
static void start_witness(void) {
    NEED(pipe(to_witness));
    NEED(pipe(from_witness));
    witness_pid = SPAWN(
        signal(SIGUSR1, SIG_IGN); close(to_witness[1]); close(from_witness[0]);
        char c;
        while (read(to_witness[0], &c, 1) == 1) {
            /* Memory, files, processes: the answer needs each. */
            char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED) c = 'm';
            else { memset(p, 1, 1 << 20); munmap(p, 1 << 20); }
            put_file("witness", "x");
            if (CHILD(_exit(3)) != 3 << 8) c = 'f';
            write(from_witness[1], &c, 1);
        });
}
static void ask_witness(void) {
    char c = 'w';
    write(to_witness[1], &c, 1);
    struct pollfd p = {from_witness[0], POLLIN};
    int n;
    long start = now_ms();
    while ((n = poll(&p, 1, 10000)) == -1 && errno == EINTR && now_ms() - start < 10000) {}
    if (n == 1) read(from_witness[0], &c, 1);
    printf("witness: %s\n", n != 1 ? "silent" : c == 'w' ? "alive" : c == 'm' ? "has no memory" : "cannot fork");
}
static void end_witness(void) {
    kill(witness_pid, SIGKILL);
    reap(witness_pid);
}
