// Process-shared mutex and condition variable in shared memory, between parent and children.
#include "check.h"
struct shared { pthread_mutex_t m; pthread_cond_t c; int turn, sum; };
int main(void) {
    struct shared *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->m, &ma);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&s->c, &ca);
    pid_t pid[3];
    for (int me = 0; me < 3; me++)
        pid[me] = SPAWN(for (int round = 0; round < 50; round++) {
            pthread_mutex_lock(&s->m);
            while (s->turn % 3 != me) pthread_cond_wait(&s->c, &s->m);
            s->sum = (s->sum * 3 + me) % 1000003;
            s->turn++;
            pthread_cond_broadcast(&s->c);
            pthread_mutex_unlock(&s->m);
        });
    for (int i = 0; i < 3; i++) how("child", reap(pid[i]));
    printf("turns %d sum %d\n", s->turn, s->sum);
    return 0;
}
