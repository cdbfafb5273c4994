/* A pseudo-terminal and a child that has it as its controlling terminal. */
#pragma once
#include "check.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

/* Reads what the terminal gives within the time that it takes, printed with escapes. */
static inline void show_output(const char *what, int master) {
    char t[512];
    printf("%s: ", what);
    struct pollfd p = {master, POLLIN};
    for (int wait = 600; poll(&p, 1, wait) == 1 && (p.revents & POLLIN); wait = 150) {
        ssize_t n = read(master, t, sizeof t);
        if (n <= 0) break;
        for (ssize_t i = 0; i < n; i++) {
            unsigned char c = t[i];
            if (c == '\n') printf("\\n");
            else if (c == '\r') printf("\\r");
            else if (c < 32 || c > 126) printf("\\x%02x", c);
            else printf("%c", c);
        }
    }
    printf("\n");
}
static inline void type(int master, const char *keys) { NEED(write(master, keys, strlen(keys))); }
/* The statements in a child that leads a session on the slave. */
#define ON_TERMINAL(master, slave, ...) SPAWN(close(master); setsid(); ioctl(slave, TIOCSCTTY, 0); __VA_ARGS__)
