// capget: root has its capabilities, they go with setuid, and stay with keepcaps only in the permitted set.
#include "check.h"
#include <linux/capability.h>
#include <sys/prctl.h>
static void show(const char *when) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    CALL(syscall(SYS_capget, &head, data));
    unsigned bit = 1u << CAP_CHOWN | 1u << CAP_KILL | 1u << CAP_SETUID;
    printf("%s: effective %d permitted %d inheritable %d\n", when, (data[0].effective & bit) == bit,
        (data[0].permitted & bit) == bit, (data[0].inheritable & bit) == bit);
}
int main(void) {
    show("root");
    how("setuid", CHILD(setuid(1000); show("dropped")));
    how("seteuid", CHILD(seteuid(1000); show("lowered"); seteuid(0); show("back")));
    how("keepcaps", CHILD(prctl(PR_SET_KEEPCAPS, 1); setuid(1000); show("kept")));
    struct __user_cap_header_struct head = {0x12345, 0};
    CALL(syscall(SYS_capget, &head, NULL));
    printf("version %#x\n", head.version);
    head.pid = 99999999;
    struct __user_cap_data_struct data[2];
    CALL(syscall(SYS_capget, &head, data));
    return 0;
}
