// flock: shared and exclusive locks of open files, shared over dup and fork, released by the last close.
#include "check.h"
#include <sys/file.h>
int main(void) {
    int a = open("f", O_RDWR | O_CREAT, 0600), b = open("f", O_RDWR), c = dup(a);
    CALL(flock(a, LOCK_SH));
    CALL(flock(b, LOCK_SH | LOCK_NB));
    CALL(flock(b, LOCK_EX | LOCK_NB));
    CALL(flock(a, LOCK_UN));
    CALL(flock(b, LOCK_EX | LOCK_NB));
    CALL(flock(a, LOCK_SH | LOCK_NB));
    CALL(flock(b, LOCK_UN));
    CALL(flock(c, LOCK_EX));
    close(a);
    CALL(flock(b, LOCK_EX | LOCK_NB));
    how("the child holds it too", CHILD(CALL(flock(c, LOCK_EX | LOCK_NB)); flock(c, LOCK_UN)));
    CALL(flock(b, LOCK_EX | LOCK_NB));
    int go[2];
    pipe(go);
    pid_t pid = SPAWN(char x; close(b); close(c); write(go[1], "x", 1); int d = open("f", O_RDWR); flock(d, LOCK_EX); printf("child got it\n"));
    char x;
    read(go[0], &x, 1);
    until_state(pid, 'S');
    printf("releasing\n");
    close(b);
    how("child", reap(pid));
    CALL(flock(99, LOCK_EX));
    CALL(flock(c, 77));
    CALL(flock(c, 0));
    return 0;
}
