// Real, effective and saved user ids: who may change which, and what is left after dropping root.
#include "check.h"
#include <sys/fsuid.h>
static void ids(const char *when) {
    uid_t r, e, s;
    getresuid(&r, &e, &s);
    printf("%s: %d %d %d\n", when, r, e, s);
}
int main(void) {
    ids("start");
    how("seteuid", CHILD(CALL(seteuid(1000)); ids("lowered"); CALL(seteuid(1001)); CALL(seteuid(0)); ids("back")));
    how("setuid", CHILD(CALL(setuid(1000)); ids("dropped"); CALL(setuid(0)); CALL(seteuid(0)); CALL(setuid(1000))));
    how("setreuid", CHILD(CALL(setreuid(1000, 1001)); ids("set"); CALL(setreuid(1001, 1000)); ids("swapped");
        CALL(setreuid(-1, 0)); CALL(setreuid(-1, -1))));
    how("setresuid", CHILD(CALL(setresuid(1, 2, 3)); ids("set"); CALL(setresuid(3, 1, 2)); ids("turned");
        CALL(setresuid(4, -1, -1)); CALL(setresuid(-1, 2, -1)); ids("end")));
    how("setfsuid", CHILD(CALL(setfsuid(1000)); CALL(setfsuid(-1)); CALL(seteuid(7)); CALL(setfsuid(-1))));
    how("keeps over exec", CHILD(setresuid(1, 2, 3); execl("/bin/sh", "sh", "-pc",
        "while read a b; do case $a in Uid:) echo $b;; esac; done </proc/self/status", NULL)));
    how("kill refused", CHILD(setuid(1000); CALL(kill(1, 0)); CALL(kill(getppid(), SIGTERM))));
    return 0;
}
