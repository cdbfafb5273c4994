// Sessions: setsid, getsid, and who may not.
#include "check.h"
int main(void) {
    how("child", CHILD(
        YES(getsid(0) == getsid(getppid()));
        pid_t sid = setsid();
        YES(sid == getpid());
        YES(getsid(0) == getpid() && getpgrp() == getpid());
        CALL(setsid());
        CALL(setpgid(0, 0));
        CALL(open("/dev/tty", O_RDWR));
        how("grandchild", CHILD(YES(getsid(0) == sid); YES(getpgrp() == sid); setpgid(0, 0); CALL(setsid())))));
    CALL(getsid(99999999));
    return 0;
}
