// A shared futex in a mapped file is one futex under different addresses and in unrelated processes.
#include "check.h"
#include <linux/futex.h>
int main(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    ftruncate(fd, 2 * PAGE);
    int *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
    int *b = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int *word = a + 10, *same = b + 1024 + 10;
    pid_t pid = SPAWN(int fd = open("f", O_RDWR); int *c = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
        _exit(syscall(SYS_futex, c + 10, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 1 : 2));
    until_state(pid, 'S');
    CALL(syscall(SYS_futex, b + 10, FUTEX_WAKE, 1, NULL, NULL, 0));
    CALL(syscall(SYS_futex, same, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
    CALL(syscall(SYS_futex, same, FUTEX_WAKE, 1, NULL, NULL, 0));
    how("waiter", reap(pid));
    int *private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid = SPAWN(struct timespec t = {0, 60000000}; _exit(syscall(SYS_futex, private, FUTEX_WAIT, 0, &t, NULL, 0) == -1 && errno == ETIMEDOUT ? 3 : 4));
    until_state(pid, 'S');
    CALL(syscall(SYS_futex, private, FUTEX_WAKE, 1, NULL, NULL, 0));
    how("private one is not woken", reap(pid));
    return 0;
}
