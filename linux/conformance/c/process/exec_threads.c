// execve from a second thread: the other threads end, the pid is the leader's.
#include "check.h"
static char pid[16];
static void *spin(void *arg) {
    for (;;) pause();
}
static void *run(void *arg) {
    execl("/proc/self/exe", "x", pid, NULL);
    return NULL;
}
int main(int argc, char **argv) {
    if (argc > 1) {
        YES(atoi(argv[1]) == getpid());
        YES(gettid() == getpid());
        char text[4096], *line = strstr(get_file("/proc/self/status", text, sizeof text), "\nThreads:");
        printf("threads %d\n", line ? atoi(line + 9) : -1);
        return 4;
    }
    snprintf(pid, sizeof pid, "%d", getpid());
    pthread_t t;
    for (int i = 0; i < 3; i++) pthread_create(&t, NULL, spin, NULL);
    pthread_create(&t, NULL, run, NULL);
    for (;;) pause();
}
