// An orphan's parent is process 1, or the nearest subreaper.
#include "check.h"
#include <sys/prctl.h>
int main(void) {
    int out[2], parent;
    NEED(pipe(out));
    pid_t middle = SPAWN(pid_t old = getpid();
        SPAWN(while (getppid() == old) pause_ms(2); parent = getppid(); write(out[1], &parent, sizeof parent)); _exit(0));
    how("middle", reap(middle));
    NEED(read(out[0], &parent, sizeof parent));
    printf("orphan's parent %d\n", parent);
    CALL(prctl(PR_SET_CHILD_SUBREAPER, 1));
    int on = 0;
    CALL(prctl(PR_GET_CHILD_SUBREAPER, &on));
    printf("subreaper %d\n", on);
    middle = SPAWN(pid_t old = getpid();
        SPAWN(while (getppid() == old) pause_ms(2); parent = getppid(); write(out[1], &parent, sizeof parent); _exit(8));
        _exit(0));
    how("middle", reap(middle));
    NEED(read(out[0], &parent, sizeof parent));
    printf("orphan is mine: %d\n", parent == getpid());
    int status;
    NEED(wait(&status));
    how("adopted", status);
    return 0;
}
