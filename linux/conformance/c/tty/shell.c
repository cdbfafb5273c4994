// An interactive bash on a pseudo-terminal: prompt, job control, ^C, ^Z and fg, as a person would use it.
#include "pty.h"
/* Reads up to the text; what comes after it stays for the next call. */
static void until(int m, const char *text) {
    static char all[65536];
    static size_t have;
    struct pollfd p = {m, POLLIN};
    for (;;) {
        char *at = strstr(all, text);
        if (at) {
            at += strlen(text);
            have -= at - all;
            memmove(all, at, have + 1);
            printf("saw <%s>\n", text);
            return;
        }
        ssize_t n = have < sizeof all - 1 && poll(&p, 1, 5000) == 1 ? read(m, all + have, sizeof all - 1 - have) : 0;
        if (n <= 0) break;
        have += n;
        all[have] = 0;
    }
    printf("did not see <%s> in <%s>\n", text, all);
}
int main(void) {
    int m;
    pid_t pid = NEED(forkpty(&m, NULL, NULL, NULL));
    if (pid == 0) {
        setenv("PS1", "ready> ", 1);
        setenv("TERM", "dumb", 1);
        execlp("bash", "bash", "--norc", "--noprofile", "-i", NULL);
        _exit(127);
    }
    until(m, "ready> ");
    type(m, "echo $((6*7)) times\n");
    until(m, "42 times");
    until(m, "ready> ");
    type(m, "cat\n");
    pause_ms(100);
    type(m, "echoed by cat\n");
    until(m, "echoed by cat\r\nechoed by cat");
    type(m, "\x03");
    until(m, "ready> ");
    type(m, "echo status $?\n");
    until(m, "status 130");
    type(m, "sleep 30\n");
    pause_ms(150);
    type(m, "\x1a");
    until(m, "Stopped");
    until(m, "ready> ");
    type(m, "jobs | wc -l; kill %1; wait %1; echo gone $?\n");
    until(m, "gone 1");
    type(m, "sleep 0.1 & fg\n");
    until(m, "sleep 0.1");
    type(m, "tty | cut -c 1-9\n");
    until(m, "/dev/pts/");
    type(m, "exit 7\n");
    how("bash", reap(pid));
    return 0;
}
