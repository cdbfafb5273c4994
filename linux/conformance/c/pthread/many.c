// static. A hundred threads alive at once, all known to the kernel, all running.
#include "check.h"
#include <dirent.h>
static pthread_barrier_t barrier;
static pid_t tids[100];
static void *run(void *arg) {
    tids[(long)arg] = gettid();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}
int main(void) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    pthread_barrier_init(&barrier, NULL, 101);
    pthread_t t[100];
    for (long i = 0; i < 100; i++) if (pthread_create(&t[i], &a, run, (void *)i)) printf("cannot create\n"), exit(1);
    pthread_barrier_wait(&barrier);
    int distinct = 1, others = 1;
    for (int i = 0; i < 100; i++) {
        others &= tids[i] != getpid();
        for (int j = 0; j < i; j++) distinct &= tids[i] != tids[j];
    }
    YES(distinct && others);
    int count = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; d && (e = readdir(d));) count += e->d_name[0] != '.';
    printf("in /proc %d\n", count);
    char text[4096], *line = strstr(get_file("/proc/self/status", text, sizeof text), "\nThreads:");
    printf("threads %d\n", line ? atoi(line + 9) : -1);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 100; i++) pthread_join(t[i], NULL);
    printf("joined\n");
    return 0;
}
