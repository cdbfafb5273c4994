// Keys that signal: ^C, ^\ and ^Z go to the foreground group; NOFLSH; ISIG off.
#include "pty.h"
static volatile int got;
static void handler(int sig) { got = sig; }
int main(void) {
    int m, s, status;
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    int ready[2];
    pipe(ready);
    char c;
    pid_t pid = ON_TERMINAL(m, s, write(ready[1], "x", 1); for (;;) pause());
    read(ready[0], &c, 1);
    type(m, "\x03");
    how("^C", reap(pid));
    show_output("echo", m);
    pid = ON_TERMINAL(m, s, struct rlimit r = {0}; setrlimit(RLIMIT_CORE, &r); write(ready[1], "x", 1); for (;;) pause());
    read(ready[0], &c, 1);
    type(m, "\x1c");
    how("^\\", reap(pid));
    show_output("echo", m);
    pid = ON_TERMINAL(m, s,
        pid_t job = SPAWN(setpgid(0, 0); until_state(getppid(), 'S'); for (;;) pause());
        setpgid(job, job);
        signal(SIGTTOU, SIG_IGN);
        CALL(tcsetpgrp(s, job));
        write(ready[1], "x", 1);
        waitpid(job, &status, WUNTRACED);
        how("job", status);
        CALL(tcsetpgrp(s, getpgrp()));
        kill(job, SIGCONT);
        kill(job, SIGKILL);
        reap(job);
        signal(SIGINT, handler);
        write(ready[1], "x", 1);
        while (!got) pause_ms(1);
        printf("the leader got %s\n", signame(got));
        struct termios t;
        tcgetattr(s, &t);
        t.c_lflag &= ~ISIG;
        tcsetattr(s, TCSANOW, &t);
        write(ready[1], "x", 1);
        char text[10];
        ssize_t n = read(s, text, 10);
        printf("without ISIG %zd bytes, first %d\n", n, text[0]));
    read(ready[0], &c, 1);
    type(m, "\x1a");
    read(ready[0], &c, 1);
    type(m, "\x03");
    read(ready[0], &c, 1);
    type(m, "\x03\n");
    how("leader", reap(pid));
    return 0;
}
