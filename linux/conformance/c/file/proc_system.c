// The files of /proc and /sys that programs read: there, readable, with the keys that are looked for.
#include "check.h"
static char t[200000];
static void keys(const char *path, ...) {
    va_list list;
    va_start(list, path);
    get_file(path, t, sizeof t);
    printf("%s:", path);
    for (const char *k; (k = va_arg(list, const char *));) printf(" %s %s", k, strstr(t, k) ? "yes" : "NO");
    printf("\n");
    va_end(list);
}
static void number(const char *path, long low) {
    get_file(path, t, sizeof t);
    char *end;
    long v = strtol(t, &end, 10);
    printf("%s: %s\n", path, end != t && v >= low ? "a number" : "NO number");
}
int main(void) {
    keys("/proc/meminfo", "MemTotal:", "MemFree:", "MemAvailable:", "Buffers:", "Cached:", "SwapTotal:", " kB", NULL);
    keys("/proc/cpuinfo", "processor", "vendor_id", "model name", "flags", "cpu MHz", NULL);
    keys("/proc/stat", "cpu ", "cpu0 ", "btime ", "processes ", "ctxt ", NULL);
    keys("/proc/mounts", " / ", " /proc proc", NULL);
    keys("/proc/filesystems", "proc", "tmpfs", NULL);
    keys("/proc/version", "version", NULL);
    keys("/proc/self/net/dev", "lo:", NULL);
    keys("/proc/net/tcp", "local_address", NULL);
    keys("/proc/net/unix", "RefCount", NULL);
    get_file("/proc/uptime", t, sizeof t);
    double up, idle;
    YES(sscanf(t, "%lf %lf", &up, &idle) == 2 && up > 0);
    get_file("/proc/loadavg", t, sizeof t);
    double a, b, c;
    int running, all, last;
    YES(sscanf(t, "%lf %lf %lf %d/%d %d", &a, &b, &c, &running, &all, &last) == 6);
    number("/proc/sys/kernel/pid_max", 1000);
    number("/proc/sys/net/core/somaxconn", 1);
    number("/proc/sys/vm/overcommit_memory", 0);
    number("/proc/sys/fs/file-max", 100);
    number("/proc/sys/fs/nr_open", 100);
    number("/proc/sys/kernel/randomize_va_space", 0);
    number("/proc/sys/kernel/ngroups_max", 32);
    number("/proc/sys/fs/pipe-max-size", 4096);
    get_file("/proc/sys/kernel/random/boot_id", t, sizeof t);
    YES(strlen(t) == 37 && t[8] == '-' && t[36] == '\n');
    get_file("/proc/sys/kernel/random/uuid", t, sizeof t);
    char second[64];
    YES(strlen(t) == 37 && strcmp(t, get_file("/proc/sys/kernel/random/uuid", second, sizeof second)) != 0);
    get_file("/sys/devices/system/cpu/online", t, sizeof t);
    YES(t[0] == '0');
    CALL(access("/sys/fs/cgroup", F_OK) == 0 || errno == ENOENT);
    struct stat s;
    CALL(stat("/proc/meminfo", &s));
    printf("mode %o size %ld\n", s.st_mode, (long)s.st_size);
    int fd = open("/proc/meminfo", O_RDONLY);
    char x[8] = "", y[8] = "";
    read(fd, x, 4), read(fd, y, 4);
    printf("%s%s\n", x, y);
    CALL(lseek(fd, 0, SEEK_SET));
    CALL(mkdir("/proc/x", 0700));
    CALL(unlink("/proc/version"));
    return 0;
}
