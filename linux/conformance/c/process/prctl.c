// static. prctl: the name, death signal, dumpable, no_new_privs, keepcaps; what a child inherits.
#include "check.h"
#include <sys/prctl.h>
int main(void) {
    char name[16];
    CALL(prctl(PR_SET_NAME, "a-name-longer-than-fifteen"));
    CALL(prctl(PR_GET_NAME, name));
    printf("name <%s>\n", name);
    char text[64];
    printf("comm %s", get_file("/proc/self/comm", text, sizeof text));
    CALL(prctl(PR_GET_DUMPABLE));
    CALL(prctl(PR_SET_DUMPABLE, 0));
    CALL(prctl(PR_GET_DUMPABLE));
    CALL(prctl(PR_SET_DUMPABLE, 7));
    CALL(prctl(PR_SET_DUMPABLE, 1));
    int sig = -1;
    CALL(prctl(PR_SET_PDEATHSIG, SIGUSR1));
    CALL(prctl(PR_GET_PDEATHSIG, &sig));
    printf("death signal %d\n", sig);
    CALL(prctl(PR_SET_PDEATHSIG, 200));
    how("child", CHILD(CALL(prctl(PR_GET_PDEATHSIG, &sig)); printf("death signal %d\n", sig);
        prctl(PR_GET_NAME, name); printf("name <%s>\n", name)));
    CALL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CALL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    CALL(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
    CALL(prctl(PR_GET_KEEPCAPS));
    CALL(prctl(PR_SET_KEEPCAPS, 1));
    CALL(prctl(PR_GET_KEEPCAPS));
    CALL(prctl(99999, 0, 0, 0, 0));
    CALL(prctl(PR_SET_NAME, 1));
    return 0;
}
