// static. EOF comes only when the last writer is gone, wherever its descriptor was passed to.
#include "check.h"
int main(void) {
    int p[2], hold[2];
    pipe(p);
    pipe(hold);
    pid_t a = SPAWN(close(hold[1]); char c; read(hold[0], &c, 1));
    close(p[1]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    char c;
    CALL(read(p[0], &c, 1));
    close(hold[1]);
    reap(a);
    CALL(read(p[0], &c, 1));
    pipe(p);
    pipe(hold);
    pid_t b = SPAWN(close(p[0]); dup2(p[1], 1); close(p[1]); execl("/bin/echo", "echo", "through exec", NULL));
    close(p[1]);
    char t[40] = "";
    CALL(read(p[0], t, sizeof t));
    printf("%s", t);
    CALL(read(p[0], t, sizeof t));
    how("echo", reap(b));
    return 0;
}
