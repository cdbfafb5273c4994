// static. stat and statx: kinds, modes, links, sizes, blocks, and what statx says is there.
#include "check.h"
#include <sys/sysmacros.h>
static void show(const char *name) {
    struct stat s;
    struct statx x;
    if (lstat(name, &s)) { printf("%s: %s\n", name, name_of(errno)); return; }
    printf("%s: mode %o links %d uid %d gid %d", name, s.st_mode, (int)s.st_nlink, (int)s.st_uid, (int)s.st_gid);
    if (!S_ISDIR(s.st_mode)) printf(" size %ld", (long)s.st_size);
    if (S_ISCHR(s.st_mode)) printf(" device %d:%d", major(s.st_rdev), minor(s.st_rdev));
    printf("\n");
    CALL(statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
    YES(x.stx_mode == s.st_mode && x.stx_ino == s.st_ino && x.stx_size == s.st_size && x.stx_nlink == s.st_nlink
        && x.stx_mtime.tv_sec == s.st_mtime && (x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
}
int main(void) {
    put_file("f", "0123456789");
    mkdir("d", 0751);
    mkdir("d/e", 0700);
    symlink("target", "link");
    link("f", "hard");
    mkfifo("fifo", 0640);
    chmod("hard", 04755);
    chown("f", 10, 20);
    show("f");
    show("d");
    show("link");
    show("fifo");
    show("none");
    show("/dev/null");
    struct stat a, b;
    stat("f", &a);
    stat("hard", &b);
    YES(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    YES(a.st_blksize >= 512 && a.st_blocks >= 0);
    stat("d", &b);
    YES(a.st_ino != b.st_ino && a.st_dev == b.st_dev);
    stat("/dev/null", &b);
    stat("/proc/self", &a);
    YES(a.st_dev != b.st_dev);
    struct statx x;
    CALL(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_MODE, &x));
    CALL(statx(AT_FDCWD, "f", 0x4000000, STATX_MODE, &x));
    CALL(statx(AT_FDCWD, "f", 0, 1U << 31, &x));
    CALL(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_MODE, &x));
    CALL(statx(99, "f", 0, STATX_MODE, &x));
    int p[2];
    pipe(p);
    CALL(fstat(p[0], &a));
    YES(S_ISFIFO(a.st_mode));
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    CALL(fstat(s, &a));
    YES(S_ISSOCK(a.st_mode));
    return 0;
}
