// static. chmod, chown and what they do to the set-id bits, times and links.
#include "check.h"
static void show(const char *what, const char *name) {
    struct stat s;
    lstat(name, &s);
    printf("%s: %o %d %d\n", what, s.st_mode, (int)s.st_uid, (int)s.st_gid);
}
int main(void) {
    umask(027);
    int fd = open("f", O_CREAT | O_RDWR, 06777);
    show("umask", "f");
    mkdir("d", 01777);
    show("directory", "d");
    CALL(chmod("f", 0755));
    show("chmod", "f");
    CALL(fchmod(fd, 07777));
    show("fchmod", "f");
    CALL(chown("f", 1000, 2000));
    show("chown clears", "f");
    CALL(chown("f", -1, 3000));
    show("group only", "f");
    CALL(fchown(fd, 5, -1));
    show("fchown", "f");
    fchmod(fd, 06777);
    how("a write by a user clears", CHILD(setuid(99); int g = open("f", O_WRONLY); write(g, "x", 1)));
    show("after", "f");
    symlink("f", "link");
    CALL(lchown("link", 7, 8));
    show("link", "link");
    show("target", "f");
    CALL(chmod("link", 0600));
    show("through the link", "f");
    CALL(chmod("none", 0600));
    CALL(chown("none", 0, 0));
    CALL(fchmod(99, 0));
    CALL(chmod("f", 0100777));
    show("high bits", "f");
    return 0;
}
