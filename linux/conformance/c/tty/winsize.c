// The window's size: set, read on both sides, SIGWINCH to the foreground group.
#include "pty.h"
static volatile int winches;
static void handler(int sig) { winches++; }
int main(void) {
    int m, s;
    struct winsize w = {24, 80, 5, 6}, r;
    NEED(openpty(&m, &s, NULL, NULL, &w));
    CALL(ioctl(s, TIOCGWINSZ, &r));
    printf("%d %d %d %d\n", r.ws_row, r.ws_col, r.ws_xpixel, r.ws_ypixel);
    w.ws_col = 132;
    CALL(ioctl(m, TIOCSWINSZ, &w));
    CALL(ioctl(s, TIOCGWINSZ, &r));
    printf("%d %d\n", r.ws_row, r.ws_col);
    int ready[2];
    pipe(ready);
    pid_t pid = ON_TERMINAL(m, s, signal(SIGWINCH, handler); write(ready[1], "x", 1); while (!winches) pause_ms(1);
        ioctl(s, TIOCGWINSZ, &r); printf("child: %d columns, %d signal\n", r.ws_col, winches));
    char c;
    read(ready[0], &c, 1);
    w.ws_col = 100;
    int set = ioctl(m, TIOCSWINSZ, &w);
    how("child", reap(pid));
    printf("set %d\n", set);
    int p[2];
    pipe(p);
    CALL(ioctl(p[0], TIOCGWINSZ, &r));
    CALL(ioctl(s, TIOCGWINSZ, (void *)1));
    return 0;
}
