// ETXTBSY: a program that runs is not written to, a file that is open for writing is not executed.
#include "check.h"
static void copy_self(const char *to) {
    static char block[1 << 20];
    int from = NEED(open("/proc/self/exe", O_RDONLY)), into = NEED(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755));
    for (ssize_t n; (n = read(from, block, sizeof block)) > 0;) write(into, block, n);
    close(from);
    close(into);
}
static void try_exec(const char *path) {
    how(path, CHILD(execl(path, path, "quick", NULL); printf("exec: %s\n", name_of(errno)); _exit(1)));
}
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "quick")) return 5;
    if (argc > 1) { write(1, "runs\n", 5); for (;;) pause(); }
    copy_self("program");
    int p[2];
    pipe(p);
    pid_t pid = SPAWN(dup2(p[1], 1); close(p[0]); close(p[1]); execl("program", "program", "stay", NULL));
    char text[8];
    read(p[0], text, 5);
    CALL(open("program", O_WRONLY));
    CALL(open("program", O_RDWR));
    CALL(open("program", O_RDONLY | O_TRUNC));
    CALL(truncate("program", 0));
    OK(open("program", O_RDONLY));
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    OK(open(path, O_RDONLY));
    YES(open(path, O_WRONLY) == -1 && errno == ETXTBSY);
    CALL(chmod("program", 0700));
    CALL(rename("program", "other"));
    CALL(open("other", O_WRONLY));
    // A new file of the old name is another file.
    copy_self("program");
    try_exec("./program");
    kill(pid, SIGKILL);
    how("stay", reap(pid));
    int fd = OK(open("other", O_WRONLY));
    close(fd);
    // A library or data that is mapped to be executed is not protected.
    fd = open("other", O_RDONLY);
    YES(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    close(fd);
    OK(open("other", O_WRONLY));
    // A script is no program of its own: its interpreter is.
    put_file("script", "#!/bin/sh\nexit 6\n");
    chmod("script", 0755);
    try_exec("./script");
    return 0;
}
