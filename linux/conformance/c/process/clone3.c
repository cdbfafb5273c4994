// clone3 as glibc uses it, and its errors.
#include "check.h"
#include <linux/sched.h>
static long clone3(struct clone_args *args, size_t size) { return syscall(SYS_clone3, args, size); }
int main(void) {
    struct clone_args args = {.exit_signal = SIGCHLD};
    pid_t pid = clone3(&args, sizeof args);
    if (pid == 0) _exit(12);
    how("child", reap(pid));
    pid_t tid = 0;
    args = (struct clone_args){.flags = CLONE_PARENT_SETTID, .parent_tid = (uintptr_t)&tid, .exit_signal = SIGCHLD};
    pid = clone3(&args, 64);
    if (pid == 0) _exit(13);
    YES(tid == pid);
    how("child", reap(pid));
    CALL(clone3(&args, 8));
    CALL(clone3(NULL, 64));
    CALL(clone3(&args, 1 << 20));
    args = (struct clone_args){.flags = CLONE_SIGHAND, .exit_signal = SIGCHLD};
    CALL(clone3(&args, sizeof args));
    args = (struct clone_args){.flags = CLONE_VM, .stack = 0x1000, .exit_signal = SIGCHLD};
    CALL(clone3(&args, sizeof args));
    args = (struct clone_args){.exit_signal = 300};
    CALL(clone3(&args, sizeof args));
    return 0;
}
