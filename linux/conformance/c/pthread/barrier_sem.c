// static. Barriers let all go at once; semaphores count, also between processes and by name.
#include "check.h"
#include <semaphore.h>
static pthread_barrier_t barrier;
static int arrived, serial, wrong;
static void *meet(void *arg) {
    for (int round = 1; round <= 50; round++) {
        __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
        int r = pthread_barrier_wait(&barrier);
        if (r == PTHREAD_BARRIER_SERIAL_THREAD) __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
        if (arrived != round * 5) __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}
int main(void) {
    pthread_barrier_init(&barrier, NULL, 5);
    pthread_t t[5];
    for (int i = 0; i < 5; i++) pthread_create(&t[i], NULL, meet, NULL);
    for (int i = 0; i < 5; i++) pthread_join(t[i], NULL);
    printf("arrived %d serial %d wrong %d\n", arrived, serial, wrong);
    sem_t *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sem_init(s, 1, 2);
    CALL(sem_wait(s));
    CALL(sem_trywait(s));
    CALL(sem_trywait(s));
    int value;
    sem_getvalue(s, &value);
    printf("value %d\n", value);
    pid_t pid = SPAWN(pause_ms(20); sem_post(s); _exit(2));
    CALL(sem_wait(s));
    how("poster", reap(pid));
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    CALL(sem_timedwait(s, &when));
    sem_unlink("/conformance-sem");
    sem_t *n = sem_open("/conformance-sem", O_CREAT | O_EXCL, 0600, 0);
    YES(n != SEM_FAILED);
    pid = SPAWN(sem_t *m = sem_open("/conformance-sem", 0); sem_post(m));
    CALL(sem_wait(n));
    reap(pid);
    CALL(sem_unlink("/conformance-sem"));
    YES(sem_open("/conformance-sem", 0) == SEM_FAILED);
    return 0;
}
