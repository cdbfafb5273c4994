// Raw input: VMIN and VTIME in their four cases, bytes passed unchanged, switching to and from canonical.
#include "pty.h"
static int m, s;
static void set(int min, int time) {
    struct termios t;
    tcgetattr(s, &t);
    cfmakeraw(&t);
    t.c_cc[VMIN] = min;
    t.c_cc[VTIME] = time;
    tcsetattr(s, TCSANOW, &t);
}
int main(void) {
    char t[100] = "";
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    set(1, 0);
    type(m, "a\x03\x04\r\x7f");
    pause_ms(10);
    ssize_t n = read(s, t, sizeof t);
    for (ssize_t i = 0; i < n; i++) printf("%02x ", (unsigned char)t[i]);
    printf("\n");
    show_output("echo", m);
    set(0, 0);
    CALL(read(s, t, 10));
    type(m, "xy");
    pause_ms(10);
    CALL(read(s, t, 10));
    set(0, 1);
    long before = now_ms();
    CALL(read(s, t, 10));
    YES(now_ms() - before >= 90);
    set(0, 50);
    pid_t pid = SPAWN(pause_ms(20); type(m, "z"));
    CALL(read(s, t, 10));
    reap(pid);
    set(3, 0);
    pid = SPAWN(type(m, "a"); pause_ms(20); type(m, "b"); pause_ms(20); type(m, "cd"));
    CALL(read(s, t, 3));
    reap(pid);
    CALL(read(s, t, 1) == 1 || errno == EAGAIN);
    set(5, 5);
    pid = SPAWN(pause_ms(20); type(m, "ab"));
    CALL(read(s, t, 10));
    reap(pid);
    set(3, 0);
    struct pollfd p = {s, POLLIN};
    type(m, "q");
    CALL(poll(&p, 1, 100));
    fcntl(s, F_SETFL, O_NONBLOCK);
    CALL(read(s, t, 10));
    CALL(read(s, t, 10));
    return 0;
}
