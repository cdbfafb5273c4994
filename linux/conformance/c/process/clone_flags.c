// static. clone with single flags: what is shared and what is not.
#include "check.h"
static volatile int value;
static int fd;
static int body(void *arg) {
    value = 5;
    close(fd);
    chdir("/");
    umask(077);
    return 9;
}
static void try(const char *name, int flags) {
    static char stack[65536] __attribute__((aligned(16)));
    value = 0;
    fd = NEED(open("/dev/null", O_RDONLY));
    NEED(mkdir("d", 0755) == 0 || errno == EEXIST ? 0 : -1);
    char old[4096], cwd[4096];
    getcwd(old, sizeof old);
    umask(022);
    pid_t pid = NEED(clone(body, stack + sizeof stack, flags | SIGCHLD, NULL));
    printf("%s: ", name);
    how("child", reap(pid));
    getcwd(cwd, sizeof cwd);
    printf("  memory %d files %d directory %d umask %03o\n", value == 5, fcntl(fd, F_GETFD) == -1,
           strcmp(old, cwd) != 0, umask(022));
    chdir(old);
    close(fd);
}
int main(void) {
    try("none", 0);
    try("VM", CLONE_VM);
    try("FILES", CLONE_FILES);
    try("FS", CLONE_FS);
    try("VM|FILES|FS", CLONE_VM | CLONE_FILES | CLONE_FS);
    CALL(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
    CALL(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
    return 0;
}
