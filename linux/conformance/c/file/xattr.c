// Extended attributes: the answers programs live with. User attributes may or may not be supported.
#include "check.h"
#include <sys/xattr.h>
#define TOLERANT(e) do { long r_ = e; printf("%s: %s\n", #e, r_ >= 0 || errno == ENOTSUP || errno == ENODATA ? "accepted" : name_of(errno)); } while (0)
int main(void) {
    char t[100];
    put_file("f", "");
    TOLERANT(setxattr("f", "user.test", "value", 5, 0));
    TOLERANT(getxattr("f", "user.test", t, sizeof t));
    TOLERANT(getxattr("f", "user.none", t, sizeof t));
    TOLERANT(getxattr("f", "security.capability", t, sizeof t));
    TOLERANT(getxattr("f", "system.posix_acl_access", t, sizeof t));
    TOLERANT(getxattr("f", "security.selinux", t, sizeof t));
    TOLERANT(listxattr("f", t, sizeof t));
    TOLERANT(listxattr("f", NULL, 0));
    TOLERANT(removexattr("f", "user.none"));
    CALL(getxattr("none", "user.x", t, sizeof t));
    CALL(listxattr("none", t, sizeof t));
    CALL(fgetxattr(99, "user.x", t, sizeof t));
    return 0;
}
