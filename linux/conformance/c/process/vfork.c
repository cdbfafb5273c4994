// static. vfork: the child borrows the memory, the parent waits until it execs or exits.
#include "check.h"
int main(void) {
    volatile int shared = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        shared = 42;
        pause_ms(30);
        shared++;
        _exit(3);
    }
    printf("shared %d\n", shared);
    how("child", reap(pid));
    pid = vfork();
    if (pid == 0) {
        execl("/bin/true", "true", NULL);
        _exit(99);
    }
    how("exec", reap(pid));
    pid = vfork();
    if (pid == 0) {
        execl("/nonexistent", "x", NULL);
        _exit(errno == ENOENT ? 44 : 45);
    }
    how("failed exec", reap(pid));
    return 0;
}
