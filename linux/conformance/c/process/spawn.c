// posix_spawn, system and popen: what glibc builds from vfork-like clones.
#include "check.h"
#include <spawn.h>
extern char **environ;
int main(void) {
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    CALL(posix_spawn(&pid, "/bin/sh", &actions, NULL, (char *[]){"sh", "-c", "echo spawned; echo err >&2; exit 3", NULL}, environ));
    how("spawned", reap(pid));
    char text[100];
    printf("%s", get_file("out", text, sizeof text));
    posix_spawnattr_t attr;
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    posix_spawnattr_setsigmask(&attr, &set);
    CALL(posix_spawnp(&pid, "sleep", NULL, &attr, (char *[]){"sleep", "9", NULL}, environ));
    YES(getpgid(pid) == pid);
    kill(pid, SIGTERM);
    how("sleep", reap(pid));
    printf("missing: %s\n", name_of(posix_spawn(&pid, "/nothing", NULL, NULL, (char *[]){"x", NULL}, environ)));
    how("system", system("echo in system; exit 5"));
    FILE *f = popen("cat; echo tail", "w");
    fprintf(f, "to the child\n");
    how("popen w", pclose(f));
    f = popen("echo from the child", "r");
    fgets(text, sizeof text, f);
    printf("%s", text);
    how("popen r", pclose(f));
    return 0;
}
