// Robust mutexes: the owner's death is told to the next, also over processes, and consistency can be restored.
#include "check.h"
static pthread_mutex_t *m;
static void make(void) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(m, &a);
}
static void *die_locked(void *arg) {
    pthread_mutex_lock(m);
    return NULL;
}
#define LOCK(e) printf("%s: %s\n", #e, ({ int r_ = e; r_ ? name_of(r_) : "ok"; }))
int main(void) {
    m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make();
    pthread_t t;
    pthread_create(&t, NULL, die_locked, NULL);
    pthread_join(t, NULL);
    LOCK(pthread_mutex_lock(m));
    LOCK(pthread_mutex_consistent(m));
    LOCK(pthread_mutex_unlock(m));
    LOCK(pthread_mutex_lock(m));
    LOCK(pthread_mutex_unlock(m));
    how("killed owner", CHILD(pthread_mutex_lock(m); raise(SIGKILL)));
    LOCK(pthread_mutex_trylock(m));
    LOCK(pthread_mutex_unlock(m));
    LOCK(pthread_mutex_lock(m));
    make();
    int go[2];
    pipe(go);
    pid_t owner = SPAWN(pthread_mutex_lock(m); write(go[1], "x", 1); pause_ms(50); _exit(0));
    char c;
    read(go[0], &c, 1);
    LOCK(pthread_mutex_lock(m));
    how("owner", reap(owner));
    LOCK(pthread_mutex_consistent(m));
    LOCK(pthread_mutex_unlock(m));
    how("exec drops it", CHILD(pthread_mutex_lock(m); execl("/bin/true", "true", NULL)));
    LOCK(pthread_mutex_lock(m));
    void *head;
    size_t len;
    CALL(syscall(SYS_get_robust_list, 0, &head, &len));
    printf("length %zu\n", len);
    CALL(syscall(SYS_set_robust_list, head, 5));
    return 0;
}
