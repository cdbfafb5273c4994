// Permission bits as an ordinary user meets them: open, create, delete, sticky and set-group-id directories.
#include "check.h"
static void as(uid_t uid, gid_t gid) {
    setgroups(0, NULL);
    NEED(setresgid(gid, gid, gid));
    NEED(setresuid(uid, uid, uid));
}
int main(void) {
    umask(0);
    chmod(".", 0755);
    put_file("secret", "s");
    chmod("secret", 0600);
    mkdir("open", 0777);
    mkdir("sticky", 01777);
    mkdir("sgid", 02777);
    chown("sgid", 0, 55);
    chmod("sgid", 02777);
    put_file("sticky/roots", "");
    put_file("open/roots", "");
    put_file("writable", "");
    chmod("writable", 0222);
    how("user", CHILD(as(1000, 1000);
        CALL(open("secret", O_RDONLY)); CALL(open("newfile", O_CREAT | O_WRONLY, 0600)); CALL(unlink("secret"));
        CALL(rename("secret", "open/x")); CALL(unlink("open/roots")); CALL(unlink("sticky/roots"));
        CALL(rename("sticky/roots", "sticky/x")); put_file("sticky/own", ""); CALL(unlink("sticky/own"));
        OK(open("writable", O_WRONLY)); CALL(open("writable", O_RDONLY)); CALL(open("writable", O_RDWR));
        CALL(mkdir("x", 0700)); CALL(chmod("secret", 0666)); CALL(chown("secret", 1000, -1)); CALL(truncate("secret", 0));
        CALL(symlink("anything", "open/sym"));
        struct stat s; put_file("sgid/f", ""); stat("sgid/f", &s); printf("gid %d\n", (int)s.st_gid);
        mkdir("sgid/d", 0755); stat("sgid/d", &s); printf("gid %d mode %o\n", (int)s.st_gid, s.st_mode);
        put_file("open/mine", ""); CALL(chmod("open/mine", 06755)); stat("open/mine", &s); printf("mode %o\n", s.st_mode);
        CALL(chown("open/mine", 1001, -1)); CALL(chown("open/mine", 1000, 1000)); CALL(chown("open/mine", -1, 55))));
    how("another", CHILD(as(1001, 1001); CALL(chmod("open/mine", 0777)); CALL(open("open/mine", O_WRONLY)); CALL(unlink("open/mine"))));
    return 0;
}
