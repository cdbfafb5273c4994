// #! scripts: how the interpreter's arguments look, a script as interpreter, execvp's fallback to sh.
#include "check.h"
static void script(const char *name, const char *text) {
    put_file(name, text);
    chmod(name, 0755);
}
static void run(const char *path) {
    fflush(stdout);
    how(path, CHILD(execl(path, "given0", "one", "two", NULL); printf("%s\n", name_of(errno))));
}
int main(void) {
    script("plain", "#!/bin/sh\necho \"$0\" \"$@\"\n");
    run("./plain");
    script("spaces", "#! \t /bin/sh   \necho \"$0\" \"$@\"\n");
    run("./spaces");
    script("option", "#!/bin/sh -e\nfalse\necho not reached\n");
    run("./option");
    script("echo", "#!/bin/echo a b  c\n");
    run("./echo");
    script("nested", "#!./plain x\n");
    run("./nested");
    script("noline", "#!/bin/echo");
    run("./noline");
    script("env", "#!/usr/bin/env sh\necho through env \"$#\"\n");
    run("./env");
    script("self", "#!./self\n");
    run("./self");
    script("raw", "echo raw \"$@\"\n");
    how("execvp", CHILD(execlp("./raw", "./raw", "1", NULL)));
    return 0;
}
