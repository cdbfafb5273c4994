// The controlling terminal: TIOCSCTTY, by opening, /dev/tty, TIOCNOTTY, tcgetpgrp and tcgetsid, hang-up.
#include "pty.h"
static volatile int hups;
static void handler(int sig) { hups++; }
int main(void) {
    int m, s;
    char name[64];
    NEED(openpty(&m, &s, name, NULL, NULL));
    how("none", CHILD(setsid(); CALL(open("/dev/tty", O_RDWR)); CALL(tcgetpgrp(s)); CALL(tcgetsid(s))));
    how("by ioctl", CHILD(setsid(); CALL(ioctl(s, TIOCSCTTY, 0)); OK(open("/dev/tty", O_RDWR)); CALL(tcgetpgrp(s) == getpid()); CALL(tcgetsid(s) == getpid());
        CALL(tcsetpgrp(s, 99999999)); CALL(tcsetpgrp(s, -1)); CALL(tcsetpgrp(s, getpid()));
        how("not the leader", CHILD(CALL(ioctl(s, TIOCSCTTY, 0)); CALL(tcgetsid(s) == getppid())));
        char t[64]; int pid, tty; char state; get_file("/proc/self/stat", t, sizeof t); sscanf(t, "%d (%*[^)]) %c %*d %*d %*d %d", &pid, &state, &tty); printf("tty in stat %d\n", tty != 0)));
    how("by opening", CHILD(setsid(); int f = open(name, O_RDWR); CALL(tcgetsid(f) == getpid()); write(open("/dev/tty", O_WRONLY), "via tty\n", 8)));
    show_output("master", m);
    how("not by O_NOCTTY", CHILD(setsid(); open(name, O_RDWR | O_NOCTTY); CALL(open("/dev/tty", O_RDWR))));
    how("given up", CHILD(setsid(); ioctl(s, TIOCSCTTY, 0); signal(SIGHUP, SIG_IGN); CALL(ioctl(s, TIOCNOTTY)); CALL(open("/dev/tty", O_RDWR))));
    int ready[2];
    pipe(ready);
    pid_t pid = ON_TERMINAL(m, s, signal(SIGHUP, handler); write(ready[1], "x", 1); while (!hups) pause_ms(1); char c; printf("hung up, read %zd", read(s, &c, 1)); printf(", write %s\n", write(s, "x", 1) < 0 ? name_of(errno) : "ok"));
    char c;
    read(ready[0], &c, 1);
    close(m);
    how("leader", reap(pid));
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    pid = ON_TERMINAL(m, s, pid_t job = SPAWN(char x; write(ready[1], "x", 1); for (;;) pause()); read(ready[0], &c, 1); _exit(0));
    how("leader exits first", reap(pid));
    CALL(close(s));
    return 0;
}
