// openat2: how far a name may lead.
#include "check.h"
#include <linux/openat2.h>
static int at2(int dir, const char *path, unsigned long flags, unsigned long resolve) {
    struct open_how h = {.flags = flags, .resolve = resolve};
    return syscall(SYS_openat2, dir, path, &h, sizeof h);
}
int main(void) {
    mkdir("root", 0755);
    mkdir("root/sub", 0755);
    put_file("root/f", "inside");
    put_file("f", "outside");
    symlink("../f", "root/up");
    symlink("/f", "root/abs");
    symlink("f", "root/flat");
    int d = open("root", O_PATH | O_DIRECTORY);
    OK(at2(d, "f", O_RDONLY, 0));
    OK(at2(d, "../f", O_RDONLY, 0));
    OK(at2(d, "../f", O_RDONLY, RESOLVE_BENEATH));
    OK(at2(d, "up", O_RDONLY, RESOLVE_BENEATH));
    OK(at2(d, "abs", O_RDONLY, RESOLVE_BENEATH));
    OK(at2(d, "flat", O_RDONLY, RESOLVE_BENEATH));
    OK(at2(d, "sub/../f", O_RDONLY, RESOLVE_BENEATH));
    OK(at2(d, "flat", O_RDONLY, RESOLVE_NO_SYMLINKS));
    OK(at2(d, "f", O_RDONLY, RESOLVE_NO_SYMLINKS));
    OK(at2(d, "abs", O_RDONLY, RESOLVE_IN_ROOT));
    OK(at2(d, "up", O_RDONLY, RESOLVE_IN_ROOT));
    OK(at2(AT_FDCWD, "/proc/self/exe", O_RDONLY, RESOLVE_NO_MAGICLINKS));
    OK(at2(d, "f", O_RDONLY, 0x8000));
    OK(at2(d, "f", 1UL << 40, 0));
    struct open_how h = {.flags = O_RDONLY, .mode = 0644};
    CALL(syscall(SYS_openat2, d, "f", &h, sizeof h));
    h.mode = 0;
    CALL(syscall(SYS_openat2, d, "f", &h, 8));
    return 0;
}
