// execveat: by descriptor with an empty path, relative to a directory, and its flags.
#include "check.h"
static int execat(int fd, const char *path, int flags) {
    return syscall(SYS_execveat, fd, path, (char *[]){"sh", "-c", "echo ran $0 $1", "a", "b", NULL},
        (char *[]){"PATH=/bin", NULL}, flags);
}
int main(void) {
    int sh = NEED(open("/bin/sh", O_RDONLY | O_CLOEXEC)), bin = NEED(open("/bin", O_PATH | O_DIRECTORY));
    how("fexecve", CHILD(fexecve(sh, (char *[]){"sh", "-c", "echo hello", NULL}, (char *[]){NULL})));
    how("empty path", CHILD(execat(sh, "", AT_EMPTY_PATH)));
    how("in a directory", CHILD(execat(bin, "dash", 0)));
    how("cwd", CHILD(chdir("/bin"); execat(AT_FDCWD, "dash", 0)));
    int path = NEED(open("/bin/sh", O_PATH));
    how("O_PATH", CHILD(execat(path, "", AT_EMPTY_PATH)));
    CALL(execat(sh, "", 0));
    CALL(execat(99, "x", 0));
    CALL(execat(sh, "x", 0));
    CALL(execat(bin, "nothing", 0));
    symlink("/bin/sh", "link");
    CALL(execat(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW));
    CALL(execat(sh, "", AT_EMPTY_PATH | 0x400000));
    return 0;
}
