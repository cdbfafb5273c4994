// access and faccessat2: by real ids or effective ones, root's rights, errors.
#include "check.h"
int main(void) {
    put_file("f", "");
    chmod("f", 0640);
    chown("f", 1000, 2000);
    CALL(access("f", F_OK));
    CALL(access("f", R_OK | W_OK));
    CALL(access("f", X_OK));
    CALL(access("none", F_OK));
    CALL(access("f", 8));
    CALL(access("f/x", F_OK));
    how("owner", CHILD(setresuid(1000, 1000, 1000); CALL(access("f", R_OK | W_OK)); CALL(access("f", X_OK))));
    how("group", CHILD(setresgid(2000, 2000, 2000); setresuid(7, 7, 7); CALL(access("f", R_OK)); CALL(access("f", W_OK))));
    how("other", CHILD(setresgid(8, 8, 8); setresuid(7, 7, 7); CALL(access("f", R_OK)); CALL(access("f", F_OK))));
    how("effective", CHILD(setresuid(7, 0, 0); CALL(access("f", W_OK)); CALL(faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS))));
    CALL(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
    CALL(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0x8000000));
    symlink("none", "link");
    CALL(access("link", F_OK));
    CALL(syscall(SYS_faccessat2, AT_FDCWD, "link", F_OK, AT_SYMLINK_NOFOLLOW));
    mkdir("closed", 0700);
    put_file("closed/x", "");
    how("through a closed directory", CHILD(setresuid(7, 7, 7); CALL(access("closed/x", F_OK)); CALL(access("closed", F_OK))));
    return 0;
}
