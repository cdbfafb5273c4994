// Named pipes: opening waits for the other side, O_NONBLOCK does not, O_RDWR never, EOF when writers are gone.
#include "check.h"
int main(void) {
    mkfifo("p", 0600);
    OK(open("p", O_WRONLY | O_NONBLOCK));
    int r = OK(open("p", O_RDONLY | O_NONBLOCK));
    char c;
    CALL(read(r, &c, 1));
    int w = OK(open("p", O_WRONLY | O_NONBLOCK));
    CALL(read(r, &c, 1));
    CALL(write(w, "abc", 3));
    CALL(read(r, &c, 1));
    close(w);
    CALL(read(r, &c, 1));
    CALL(read(r, &c, 1));
    CALL(read(r, &c, 1));
    struct pollfd p = {r, POLLIN};
    CALL(poll(&p, 1, 0));
    printf("revents %#x\n", p.revents);
    close(r);
    pid_t pid = SPAWN(int f = open("p", O_WRONLY); write(f, "from the writer", 15));
    until_state(pid, 'S');
    r = OK(open("p", O_RDONLY));
    char t[40] = "";
    CALL(read(r, t, sizeof t));
    printf("%s\n", t);
    reap(pid);
    CALL(read(r, t, 1));
    close(r);
    int rw = OK(open("p", O_RDWR));
    CALL(write(rw, "self", 4));
    CALL(read(rw, t, 4));
    struct stat s;
    stat("p", &s);
    printf("size %ld\n", (long)s.st_size);
    return 0;
}
