// What is echoed: plain, control characters as ^X, erasure, not at all, only newlines; output processing.
#include "pty.h"
static int m, s;
static void set(tcflag_t l, tcflag_t o) {
    struct termios t;
    tcgetattr(s, &t);
    t.c_lflag = l;
    t.c_oflag = o;
    tcsetattr(s, TCSANOW, &t);
}
int main(void) {
    NEED(openpty(&m, &s, NULL, NULL, NULL));
    tcflag_t base = ICANON | IEXTEN;
    type(m, "hello\n");
    show_output("default", m);
    type(m, "a\x7f");
    show_output("erase", m);
    type(m, "abc\x15");
    show_output("kill", m);
    type(m, "ab cd\x17");
    show_output("word", m);
    type(m, "\x01\x1b[A\t\n");
    show_output("control", m);
    set(base | ECHO, OPOST | ONLCR);
    type(m, "\x01\x7f\x15x\n");
    show_output("no ECHOCTL ECHOE ECHOK", m);
    set(base, OPOST | ONLCR);
    type(m, "secret\n");
    show_output("no echo", m);
    set(base | ECHONL, OPOST | ONLCR);
    type(m, "secret\n");
    show_output("only newline", m);
    set(base | ECHO, 0);
    type(m, "x\n");
    show_output("no output processing", m);
    write(s, "a\nb\r\n", 5);
    show_output("written raw", m);
    set(base, OPOST | ONLCR);
    write(s, "a\nb\r\n\tc", 7);
    show_output("written cooked", m);
    set(base, OPOST | OCRNL);
    write(s, "a\rb\n", 4);
    show_output("OCRNL", m);
    set(base, OPOST | TAB3);
    write(s, "a\tb", 3);
    show_output("tabs expanded", m);
    set(base, OPOST | OLCUC);
    write(s, "upper", 5);
    show_output("OLCUC", m);
    struct termios t;
    tcgetattr(s, &t);
    t.c_iflag = IGNCR;
    t.c_lflag = ICANON | ECHO;
    tcsetattr(s, TCSANOW, &t);
    type(m, "a\rb\n");
    show_output("IGNCR", m);
    t.c_iflag = INLCR | ICRNL | ISTRIP;
    tcsetattr(s, TCSANOW, &t);
    type(m, "a\xe1\rb\n");
    show_output("ISTRIP", m);
    return 0;
}
