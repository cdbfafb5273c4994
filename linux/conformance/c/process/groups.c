// Group ids and supplementary groups.
#include "check.h"
#include <grp.h>
static void groups(void) {
    gid_t list[16];
    int n = getgroups(16, list);
    printf("groups %d:", n);
    for (int i = 0; i < n; i++) printf(" %d", list[i]);
    printf(" gid %d egid %d\n", getgid(), getegid());
}
int main(void) {
    gid_t three[] = {30, 10, 20};
    CALL(setgroups(3, three));
    groups();
    CALL(getgroups(0, NULL));
    gid_t one[1];
    CALL(getgroups(1, one));
    CALL(getgroups(-1, one));
    how("inherited", CHILD(groups()));
    how("setresgid", CHILD(CALL(setresgid(1, 2, 3)); groups(); CALL(setegid(3)); groups()));
    how("not root", CHILD(setuid(1000); CALL(setgroups(1, three)); CALL(setgid(30)); CALL(setgid(0)); groups()));
    how("none", CHILD(CALL(setgroups(0, NULL)); groups()));
    CALL(setgroups(70000, three));
    put_file("f", "x");
    chown("f", 5, 10);
    chmod("f", 0040);
    how("group read", CHILD(setuid(1000); OK(open("f", O_RDONLY))));
    how("other", CHILD(setgroups(0, NULL); setgid(77); setuid(1000); OK(open("f", O_RDONLY))));
    return 0;
}
