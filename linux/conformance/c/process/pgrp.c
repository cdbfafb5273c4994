// Process groups: setpgid, getpgid, kill of a group, and the errors.
#include "check.h"
int main(void) {
    setpgid(0, 0);
    YES(getpgrp() == getpid());
    YES(getpgid(0) == getpid());
    int ready[2];
    NEED(pipe(ready));
    pid_t a = SPAWN(for (;;) pause()), b = SPAWN(for (;;) pause());
    YES(getpgid(a) == getpid());
    CALL(setpgid(a, a));
    CALL(setpgid(b, a));
    YES(getpgid(b) == a);
    CALL(kill(-a, 0));
    CALL(kill(-a, SIGTERM));
    how("a", reap(a));
    how("b", reap(b));
    CALL(kill(-a, 0));
    CALL(setpgid(a, 0));
    CALL(setpgid(0, -1));
    CALL(getpgid(99999999));
    CALL(setpgid(getppid(), 0));
    pid_t c = SPAWN(for (;;) pause());
    CALL(setpgid(c, 99999999));
    pid_t d = SPAWN(setsid(); write(ready[1], "x", 1); for (;;) pause());
    char x;
    read(ready[0], &x, 1);
    CALL(setpgid(d, getpid()));
    CALL(setpgid(c, d));
    kill(c, SIGKILL), kill(d, SIGKILL);
    reap(c), reap(d);
    pid_t e = SPAWN(execl("/bin/sleep", "sleep", "10", NULL));
    until_state(e, 'S');
    pause_ms(30);
    CALL(setpgid(e, e));
    kill(e, SIGKILL);
    reap(e);
    return 0;
}
