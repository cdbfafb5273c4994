// Packet mode of the master, ^S and ^Q, TIOCOUTQ, the lock, opening the slave through the master.
#include "pty.h"
int main(void) {
    int m, s, on = 1, n = -1;
    unsigned char t[100];
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    type(m, "\x13");
    pause_ms(200);
    fcntl(s, F_SETFL, O_NONBLOCK);
    write(s, "held back", 9);
    struct pollfd p = {m, POLLIN};
    CALL(poll(&p, 1, 50));
    type(m, "\x11");
    for (int i = 0; i < 500 && write(s, "flows", 5) != 5; i++) pause_ms(2);
    p.revents = 0;
    CALL(poll(&p, 1, 500));
    ssize_t r = read(m, t, sizeof t);
    YES(r >= 5 && memcmp(t + r - 5, "flows", 5) == 0);
    CALL(ioctl(m, TIOCPKT, &on));
    write(s, "data", 4);
    CALL(read(m, t, sizeof t));
    printf("%d %.4s\n", t[0], t + 1);
    tcflush(s, TCIFLUSH);
    CALL(read(m, t, sizeof t));
    printf("%#x\n", t[0]);
    on = 0;
    CALL(ioctl(m, TIOCPKT, &on));
    CALL(ioctl(s, TIOCOUTQ, &n));
    CALL(ioctl(s, FIONBIO, &on));
    int sid = -1;
    CALL(ioctl(m, TIOCGPTLCK, &sid));
    printf("%d\n", sid);
    int peer = OK(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    YES(isatty(peer));
    return 0;
}
