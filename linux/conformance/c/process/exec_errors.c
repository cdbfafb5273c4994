// execve's errors, and that the caller lives on.
#include "check.h"
static char *const argv0[] = {"x", NULL}, *const none[] = {NULL};
#define EXEC(path) CALL(execve(path, argv0, none))
int main(void) {
    EXEC("nothing");
    EXEC("");
    put_file("plain", "echo hello\n");
    EXEC("plain");
    chmod("plain", 0755);
    EXEC("plain");
    EXEC("plain/below");
    EXEC("/");
    symlink("loop", "loop");
    EXEC("loop");
    put_file("empty", "");
    chmod("empty", 0755);
    EXEC("empty");
    put_file("magic", "\x7f" "ELF but not really one, only its first four bytes are right, nothing after it");
    chmod("magic", 0755);
    EXEC("magic");
    put_file("badscript", "#!/nonexistent/interpreter\n");
    chmod("badscript", 0755);
    EXEC("badscript");
    put_file("noname", "#!\n");
    chmod("noname", 0755);
    EXEC("noname");
    char name[300];
    memset(name, 'n', sizeof name);
    name[299] = 0;
    EXEC(name);
    static char huge[5000];
    memset(huge, 'p', sizeof huge - 1);
    EXEC(huge);
    CALL(execve((char *)1, argv0, none));
    CALL(execve("/bin/true", (char **)1, none));
    CALL(execve("/bin/true", argv0, (char **)1));
    char **many = calloc(10, sizeof *many), *long_one = malloc(200000);
    memset(long_one, 'a', 199999);
    long_one[199999] = 0;
    many[0] = long_one;
    CALL(execve("/bin/true", many, none));
    int fd = open("busy", O_WRONLY | O_CREAT, 0755);
    EXEC("busy");
    close(fd);
    return 0;
}
