// chroot: names start there, .. stays there, the old directory is still open; only root may.
#include "check.h"
int main(void) {
    char t[64] = "", cwd[4200];
    mkdir("root", 0755);
    mkdir("root/dir", 0755);
    put_file("root/f", "inside");
    put_file("f", "outside");
    symlink("/f", "root/link");
    int out = open(".", O_RDONLY);
    how("chrooted", CHILD(CALL(chroot("root"));
        printf("relative %s\n", get_file("f", t, sizeof t)); printf("absolute %s\n", get_file("/f", t, sizeof t));
        CALL(chdir("/")); printf("up %s\n", get_file("../../../f", t, sizeof t)); printf("link %s\n", get_file("link", t, sizeof t));
        chdir("/dir"); getcwd(cwd, sizeof cwd); printf("cwd %s\n", cwd);
        CALL(fchdir(out)); printf("escaped by descriptor %s\n", get_file("f", t, sizeof t));
        long n = syscall(SYS_getcwd, cwd, sizeof cwd); printf("cwd marked unreachable %d\n", n > 0 && strncmp(cwd, "(unreachable)", 13) == 0)));
    how("user", CHILD(setuid(1000); CALL(chroot("root"))));
    CALL(chroot("none"));
    CALL(chroot("f"));
    return 0;
}
