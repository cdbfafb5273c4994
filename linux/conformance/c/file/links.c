// static. Hard and symbolic links: counts, loops, lengths, chains, trailing slashes.
#include "check.h"
int main(void) {
    char t[5000] = "";
    struct stat s;
    put_file("f", "text");
    mkdir("d", 0755);
    CALL(link("f", "g"));
    CALL(link("f", "g"));
    CALL(link("d", "e"));
    CALL(link("none", "x"));
    stat("f", &s);
    printf("links %d\n", (int)s.st_nlink);
    CALL(unlink("f"));
    printf("%s\n", get_file("g", t, sizeof t));
    CALL(symlink("g", "s"));
    CALL(symlink("g", "s"));
    CALL(symlink("", "empty"));
    CALL(readlink("s", t, 100));
    CALL(readlink("g", t, 100));
    CALL(readlink("s", t, 0));
    symlink("a-long-target-name", "cut");
    memset(t, 0, sizeof t);
    CALL(readlink("cut", t, 6));
    printf("%s\n", t);
    symlink("loop2", "loop1");
    symlink("loop1", "loop2");
    CALL(open("loop1", O_RDONLY));
    CALL(stat("loop1", &s));
    CALL(lstat("loop1", &s));
    printf("size %ld mode %o\n", (long)s.st_size, s.st_mode);
    char from[16] = "g", to[16];
    for (int i = 0; i < 41; i++) {
        snprintf(to, sizeof to, "chain%02d", i);
        symlink(from, to);
        strcpy(from, to);
    }
    OK(open("chain39", O_RDONLY));
    OK(open("chain40", O_RDONLY));
    symlink("d/", "slash");
    CALL(lstat("slash/", &s));
    YES(S_ISDIR(s.st_mode));
    CALL(rmdir("slash"));
    CALL(unlink("slash/"));
    CALL(unlink("slash"));
    CALL(unlink("d"));
    CALL(rmdir("g"));
    CALL(rmdir("d/."));
    put_file("d/x", "");
    CALL(rmdir("d"));
    CALL(rmdir("none"));
    memset(t, 'x', 4096);
    t[4096] = 0;
    CALL(symlink(t, "toolong"));
    t[256] = 0;
    CALL(open(t, O_CREAT | O_WRONLY, 0600));
    t[255] = 0;
    OK(open(t, O_CREAT | O_WRONLY, 0600));
    CALL(mkdir(t, 0700));
    return 0;
}
