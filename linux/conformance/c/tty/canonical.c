// Canonical input: lines, erase, kill, word erase, end of file, literal next, reads smaller than a line.
#include "pty.h"
static int m, s;
static void line(const char *keys) {
    char t[100] = "";
    type(m, keys);
    struct pollfd p = {s, POLLIN};
    if (poll(&p, 1, 800) != 1) { printf("nothing to read\n"); return; }
    ssize_t n = read(s, t, sizeof t);
    printf("%zd <", n);
    for (ssize_t i = 0; i < n; i++) t[i] < 32 || t[i] > 126 ? printf("\\x%02x", (unsigned char)t[i]) : printf("%c", t[i]);
    printf(">\n");
}
int main(void) {
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    line("plain\n");
    line("not yet");
    line(" done\r");
    line("typo\x7f\x7fping\n");
    line("killed\x15kept\n");
    line("two words\x17one\n");
    line("\x16\x03literal\n");
    line("no newline\x04");
    line("\x04");
    show_output("echo", m);
    char t[10] = "";
    type(m, "abcdef\nnext\n");
    CALL(read(s, t, 3));
    CALL(read(s, t, 10));
    printf("%s", t);
    CALL(read(s, t, 10));
    int n;
    type(m, "waiting\n");
    pause_ms(20);
    CALL(ioctl(s, FIONREAD, &n));
    printf("%d\n", n);
    CALL(tcflush(s, TCIFLUSH));
    fcntl(s, F_SETFL, O_NONBLOCK);
    CALL(read(s, t, 10));
    static char longer[6000];
    memset(longer, 'x', sizeof longer);
    write(m, longer, 3000);
    write(m, longer, 3000);
    write(m, "\n", 1);
    pause_ms(20);
    static char got[8000];
    printf("longest line %zd\n", read(s, got, sizeof got));
    return 0;
}
