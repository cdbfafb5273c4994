// /proc/self: exe, cwd, root, fd, cmdline, environ, comm, stat and status fields, limits, mountinfo.
#include "check.h"
#include <dirent.h>
int main(int argc, char **argv) {
    char t[65536], u[4200] = "", here[4096];
    if (argc == 1) {
        execl("/proc/self/exe", "given name", "second", "", "last", NULL);
        return 1;
    }
    ssize_t n = readlink("/proc/self/exe", u, sizeof u - 1);
    printf("exe ends %s\n", strncmp(strrchr(u, '/') + 1, "file.proc_self", 14) ? "wrong" : "right");
    memset(u, 0, sizeof u);
    readlink("/proc/self/cwd", u, sizeof u - 1);
    YES(strcmp(u, getcwd(here, sizeof here)) == 0);
    memset(u, 0, sizeof u);
    readlink("/proc/self/root", u, sizeof u - 1);
    printf("root %s\n", u);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    n = read(fd, t, sizeof t);
    for (int i = 0; i < n; i++) printf("%c", t[i] ? t[i] : '|');
    printf("\n");
    get_file("/proc/self/environ", t, sizeof t);
    YES(strchr(t, '=') != NULL);
    int f = open("f", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600), p[2];
    write(f, "12345", 5);
    snprintf(u, sizeof u, "/proc/self/fd/%d", f);
    memset(t, 0, 300);
    readlink(u, t, 300);
    printf("fd %s\n", strrchr(t, '/'));
    pipe(p);
    snprintf(u, sizeof u, "/proc/self/fd/%d", p[0]);
    memset(t, 0, 300);
    readlink(u, t, 300);
    printf("pipe %.6s\n", t);
    snprintf(u, sizeof u, "/proc/self/fdinfo/%d", f);
    get_file(u, t, sizeof t);
    printf("%.6s %d\n", t, strstr(t, "\nflags:\t0") != NULL);
    int count = 0;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e; (e = readdir(d));) count += e->d_name[0] != '.';
    YES(count >= 7);
    get_file("/proc/self/stat", t, sizeof t);
    int fields = 2;
    for (char *c = strrchr(t, ')') + 1; *c; c++) fields += *c == ' ';
    printf("stat fields %d\n", fields >= 52);
    int pid, ppid, pgrp, sid;
    char state;
    sscanf(t, "%d (%*[^)]) %c %d %d %d", &pid, &state, &ppid, &pgrp, &sid);
    YES(pid == getpid() && state == 'R' && ppid == getppid() && pgrp == getpgrp() && sid == getsid(0));
    get_file("/proc/self/status", t, sizeof t);
    const char *keys[] = {"Name:", "State:", "Tgid:", "Pid:", "PPid:", "Uid:", "Gid:", "FDSize:", "Groups:", "VmSize:", "VmRSS:", "Threads:", "SigBlk:", "SigIgn:", "SigCgt:", "CapEff:", "VmPeak:", "VmData:", "Cpus_allowed:"};
    for (int i = 0; i < 19; i++) if (!strstr(t, keys[i])) printf("status lacks %s\n", keys[i]);
    get_file("/proc/self/limits", t, sizeof t);
    YES(strstr(t, "Max open files") != NULL);
    get_file("/proc/self/statm", t, sizeof t);
    long size, resident;
    YES(sscanf(t, "%ld %ld", &size, &resident) == 2 && size >= resident && resident > 0);
    get_file("/proc/self/mountinfo", t, sizeof t);
    YES(strstr(t, " / ") != NULL && strstr(t, " - ") != NULL);
    get_file("/proc/self/cgroup", t, sizeof t);
    get_file("/proc/self/oom_score_adj", t, sizeof t);
    printf("oom_score_adj %d\n", atoi(t));
    CALL(open("/proc/self/none", O_RDONLY));
    return 0;
}
