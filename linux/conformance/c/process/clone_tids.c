// static. CLONE_PARENT_SETTID, CHILD_SETTID and CHILD_CLEARTID, with and without a stack of the child's own.
#include "check.h"
#include <linux/futex.h>
static volatile pid_t parent_tid, child_tid, seen;
static int body(void *arg) {
    seen = child_tid == gettid() && getpid() == gettid();
    pause_ms(20);
    return 0;
}
int main(void) {
    static char stack[65536] __attribute__((aligned(16)));
    pid_t pid = NEED(clone(body, stack + sizeof stack,
        CLONE_VM | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD,
        NULL, (pid_t *)&parent_tid, NULL, (pid_t *)&child_tid));
    YES(parent_tid == pid);
    for (pid_t v; (v = child_tid) != 0;) syscall(SYS_futex, &child_tid, FUTEX_WAIT, v, NULL, NULL, 0);
    printf("cleared and woken\n");
    how("child", reap(pid));
    YES(seen == 1);
    pid = syscall(SYS_clone, CLONE_PARENT_SETTID | SIGCHLD, NULL, &parent_tid, NULL, 0);
    if (pid == 0) _exit(5);
    YES(parent_tid == pid);
    how("fork-like clone", reap(pid));
    return 0;
}
