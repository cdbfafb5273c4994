// Terminal settings: the defaults, set and read back, through TCSETS and tcsetattr, speeds, errors.
#include "pty.h"
static void show(const char *what, int fd) {
    struct termios t;
    if (tcgetattr(fd, &t)) { printf("%s: %s\n", what, name_of(errno)); return; }
    printf("%s: i %o o %o c %o l %o\n", what, t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
    for (int i = 0; i < 17; i++) printf("%d ", t.c_cc[i]);
    printf("\n");
}
int main(void) {
    int m, s;
    struct termios t;
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    show("defaults", s);
    show("by the master", m);
    tcgetattr(s, &t);
    cfmakeraw(&t);
    t.c_cc[VMIN] = 3;
    t.c_cc[VTIME] = 5;
    CALL(tcsetattr(s, TCSANOW, &t));
    show("raw", s);
    cfsetospeed(&t, B9600);
    cfsetispeed(&t, B9600);
    CALL(tcsetattr(s, TCSADRAIN, &t));
    tcgetattr(s, &t);
    YES(cfgetospeed(&t) == B9600);
    t.c_lflag |= ICANON | ECHO;
    CALL(tcsetattr(m, TCSAFLUSH, &t));
    show("set by the master", s);
    int p[2];
    pipe(p);
    CALL(tcgetattr(p[0], &t));
    CALL(tcgetattr(99, &t));
    CALL(tcsetattr(s, 77, &t));
    CALL(ioctl(s, TCGETS, (void *)1));
    CALL(tcdrain(s));
    CALL(tcflow(s, TCOON));
    CALL(tcflush(s, TCIOFLUSH));
    CALL(tcflush(s, 99));
    CALL(tcsendbreak(s, 0));
    CALL(ioctl(s, 0x5555, 0));
    return 0;
}
