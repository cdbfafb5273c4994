// Numbers of processes: within range, own entry in /proc, gone after reaping.
#include "check.h"
int main(void) {
    char path[64], text[64];
    text[readlink("/proc/self", text, 63)] = 0;
    YES(atoi(text) == getpid());
    memset(text, 0, sizeof text);
    readlink("/proc/thread-self", text, 63);
    YES(strstr(text, "/task/") != NULL);
    pid_t pid = SPAWN(for (;;) pause());
    snprintf(path, sizeof path, "/proc/%d", pid);
    CALL(access(path, F_OK));
    kill(pid, SIGKILL);
    siginfo_t info;
    waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
    CALL(access(path, F_OK));
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    char stat[400];
    printf("state %c\n", strrchr(get_file(path, stat, sizeof stat), ')')[2]);
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    CALL(readlink(path, text, 63));
    reap(pid);
    snprintf(path, sizeof path, "/proc/%d", pid);
    CALL(access(path, F_OK));
    CALL(access("/proc/99999999", F_OK));
    CALL(access("/proc/0", F_OK));
    CALL(access("/proc/1/status", F_OK));
    char max[32];
    YES(atoi(get_file("/proc/sys/kernel/pid_max", max, sizeof max)) > getpid());
    return 0;
}
