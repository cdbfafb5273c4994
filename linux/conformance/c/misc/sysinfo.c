// static. sysinfo and sysconf: values in range and in agreement with each other.
#include "check.h"
#include <sys/sysinfo.h>
int main(void) {
    struct sysinfo s;
    CALL(sysinfo(&s));
    YES(s.uptime > 0 && s.totalram > 0 && s.freeram <= s.totalram && s.procs > 0 && s.mem_unit > 0);
    CALL(sysinfo((void *)1));
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    YES(labs(t.tv_sec - s.uptime) <= 2);
    YES(sysconf(_SC_PHYS_PAGES) * 4096UL <= s.totalram * s.mem_unit + 4096);
    printf("%ld %ld %ld %ld\n", sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK), sysconf(_SC_NGROUPS_MAX), sysconf(_SC_IOV_MAX));
    printf("%ld %ld\n", pathconf(".", _PC_NAME_MAX), pathconf(".", _PC_PATH_MAX));
    printf("pipe %ld\n", pathconf(".", _PC_PIPE_BUF));
    YES(sysconf(_SC_ARG_MAX) >= 131072);
    double load[3];
    printf("loads %d\n", getloadavg(load, 3));
    return 0;
}
