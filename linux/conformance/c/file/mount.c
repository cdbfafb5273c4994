// mount and umount of tmpfs and binds as root, as far as the table of mounts shows; refused to others.
#include "check.h"
#include <sys/mount.h>
static int listed(const char *name) {
    static char t[65536];
    return strstr(get_file("/proc/self/mounts", t, sizeof t), name) != NULL;
}
int main(void) {
    mkdir("m", 0755);
    put_file("m/under", "x");
    CALL(mount("none", "m", "tmpfs", 0, "size=1m,mode=700"));
    CALL(access("m/under", F_OK));
    put_file("m/f", "on tmpfs");
    struct stat a, b;
    stat("m", &a);
    stat(".", &b);
    YES(a.st_dev != b.st_dev);
    printf("mode %o\n", a.st_mode);
    YES(listed("/file.mount/m "));
    static char block[65536];
    int fd = open("m/big", O_WRONLY | O_CREAT, 0600), n = 0;
    while (n < 100 && write(fd, block, sizeof block) > 0) n++;
    printf("full before 2 MiB: %d, %s\n", n < 32, name_of(errno));
    CALL(rmdir("m"));
    CALL(rename("m/f", "f"));
    CALL(link("m/f", "f"));
    CALL(umount("m"));
    close(fd);
    CALL(umount("m"));
    CALL(access("m/under", F_OK));
    CALL(umount("m"));
    CALL(mount("none", "none", "tmpfs", 0, NULL));
    CALL(mount("none", "m", "nosuchfs", 0, NULL));
    CALL(mount("none", "m/under", "tmpfs", 0, NULL));
    how("user", CHILD(setuid(1000); CALL(mount("none", "m", "tmpfs", 0, NULL)); CALL(umount("m"))));
    return 0;
}
