// The *at calls: relative to a directory, AT_FDCWD, absolute names, empty paths, and their flags.
#include "check.h"
int main(void) {
    mkdir("d", 0755);
    int d = NEED(open("d", O_RDONLY | O_DIRECTORY)), file;
    struct stat s;
    OK(file = openat(d, "f", O_CREAT | O_RDWR, 0644));
    CALL(fstatat(d, "f", &s, 0));
    CALL(fstatat(file, "", &s, AT_EMPTY_PATH));
    CALL(fstatat(file, "", &s, 0));
    CALL(fstatat(file, "x", &s, 0));
    CALL(fstatat(99, "x", &s, 0));
    CALL(fstatat(99, "/dev/null", &s, 0));
    CALL(fstatat(AT_FDCWD, "d/f", &s, 0));
    CALL(fstatat(AT_FDCWD, "", &s, AT_EMPTY_PATH));
    YES(S_ISDIR(s.st_mode));
    CALL(fstatat(d, "f", &s, 0x4));
    CALL(mkdirat(d, "sub", 0700));
    CALL(symlinkat("f", d, "link"));
    CALL(fstatat(d, "link", &s, AT_SYMLINK_NOFOLLOW));
    YES(S_ISLNK(s.st_mode));
    CALL(linkat(d, "f", AT_FDCWD, "hard", 0));
    CALL(linkat(d, "link", d, "hardlink", 0));
    CALL(linkat(d, "link", d, "followed", AT_SYMLINK_FOLLOW));
    CALL(fstatat(d, "hardlink", &s, AT_SYMLINK_NOFOLLOW));
    YES(S_ISLNK(s.st_mode));
    CALL(fstatat(d, "f", &s, 0));
    printf("links %d\n", (int)s.st_nlink);
    CALL(renameat(d, "f", AT_FDCWD, "moved"));
    CALL(unlinkat(d, "sub", 0));
    CALL(unlinkat(d, "sub", AT_REMOVEDIR));
    CALL(unlinkat(d, "link", AT_REMOVEDIR));
    CALL(unlinkat(d, "link", 0));
    CALL(unlinkat(d, "link", 0x8));
    CALL(faccessat(d, "followed", R_OK, 0));
    CALL(fchmodat(d, "followed", 0600, 0));
    CALL(fchownat(file, "", 5, 6, AT_EMPTY_PATH));
    CALL(mknodat(d, "fifo", S_IFIFO | 0600, 0));
    char text[20] = "";
    CALL(readlinkat(d, "hardlink", text, sizeof text));
    CALL(readlinkat(d, "followed", text, sizeof text));
    CALL(mkdirat(file, "x", 0700));
    rmdir("d/sub");
    unlink("d/followed"), unlink("d/hardlink"), unlink("d/fifo");
    CALL(rmdir("d"));
    CALL(openat(d, "x", O_CREAT | O_RDWR, 0600));
    CALL(fstatat(d, "..", &s, 0));
    return 0;
}
