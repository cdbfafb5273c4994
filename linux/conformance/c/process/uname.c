// static. uname: what programs rely on, whatever the kernel's name is.
#include "check.h"
#include <sys/utsname.h>
int main(void) {
    struct utsname u, v;
    CALL(uname(&u));
    YES(u.sysname[0] && u.nodename[0] && u.release[0] && u.version[0]);
    printf("machine %s\n", u.machine);
    int major = 0, minor = 0;
    YES(sscanf(u.release, "%d.%d", &major, &minor) == 2 && major >= 3);
    char host[100] = "";
    CALL(gethostname(host, sizeof host));
    YES(strcmp(host, u.nodename) == 0);
    CALL(uname((void *)1));
    uname(&v);
    YES(memcmp(&u, &v, sizeof u) == 0);
    char text[200];
    strtok(get_file("/proc/sys/kernel/hostname", text, sizeof text), "\n");
    YES(strcmp(text, u.nodename) == 0);
    strtok(get_file("/proc/sys/kernel/osrelease", text, sizeof text), "\n");
    YES(strcmp(text, u.release) == 0);
    strtok(get_file("/proc/sys/kernel/ostype", text, sizeof text), "\n");
    YES(strcmp(text, u.sysname) == 0);
    return 0;
}
