// sched_setaffinity, getcpu and names of threads, as far as they say the same on any machine.
#include "check.h"
static void *named(void *arg) {
    char name[16] = "", text[64];
    pthread_setname_np(pthread_self(), "worker");
    pthread_getname_np(pthread_self(), name, sizeof name);
    printf("%s\n", name);
    snprintf(text, sizeof text, "/proc/self/task/%d/comm", gettid());
    char comm[32];
    printf("%s", get_file(text, comm, sizeof comm));
    return NULL;
}
int main(void) {
    cpu_set_t set;
    CALL(sched_getaffinity(0, sizeof set, &set));
    YES(CPU_COUNT(&set) >= 1);
    unsigned cpu = 9999, node = 9999;
    CALL(getcpu(&cpu, &node));
    YES(CPU_ISSET(cpu, &set) && node < 64);
    YES(sched_getcpu() >= 0);
    CPU_ZERO(&set);
    CPU_SET(0, &set);
    CALL(sched_setaffinity(0, sizeof set, &set));
    CALL(sched_getaffinity(0, sizeof set, &set));
    printf("count %d, cpu %d\n", CPU_COUNT(&set), sched_getcpu());
    CPU_ZERO(&set);
    CALL(sched_setaffinity(0, sizeof set, &set));
    CALL(sched_setaffinity(99999999, sizeof set, &set));
    CALL(syscall(SYS_sched_getaffinity, 0, 1, &set));
    pthread_t t;
    pthread_create(&t, NULL, named, NULL);
    pthread_join(t, NULL);
    YES(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    return 0;
}
