// Background processes: SIGTTIN when reading, SIGTTOU when writing with TOSTOP or setting, EIO when orphaned.
#include "pty.h"
static int m, s, status;
static void background(const char *what, int ignore, int (*body)(void)) {
    pid_t pid = SPAWN(setpgid(0, 0); if (ignore) signal(ignore, SIG_IGN); int r = body(); _exit(r == 0 ? 0 : errno));
    setpgid(pid, pid);
    waitpid(pid, &status, WUNTRACED);
    printf("%s: ", what);
    if (WIFEXITED(status)) printf("%s\n", WEXITSTATUS(status) ? name_of(WEXITSTATUS(status)) : "ok");
    else how("it", status);
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        reap(pid);
    }
}
static int do_read(void) { char c; return read(s, &c, 1) >= 0 ? 0 : -1; }
static int do_write(void) { return write(s, "w", 1) == 1 ? 0 : -1; }
static int do_set(void) { struct termios t; return tcgetattr(s, &t) || tcsetattr(s, TCSANOW, &t); }
static int do_foreground(void) { return tcsetpgrp(s, getpgrp()); }
int main(void) {
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    pid_t pid = ON_TERMINAL(m, s,
        background("read", 0, do_read);
        background("read, ignored", SIGTTIN, do_read);
        background("write", 0, do_write);
        background("set", 0, do_set);
        background("set, ignored", SIGTTOU, do_set);
        struct termios t;
        tcgetattr(s, &t);
        t.c_lflag |= TOSTOP;
        tcsetattr(s, TCSANOW, &t);
        background("write with TOSTOP", 0, do_write);
        background("write with TOSTOP, ignored", SIGTTOU, do_write);
        background("take the foreground", 0, do_foreground));
    how("leader", reap(pid));
    show_output("written", m);
    return 0;
}
