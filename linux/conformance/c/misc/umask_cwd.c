// static. umask, getcwd in its forms, a directory deleted under one's feet, chdir and fchdir errors.
#include "check.h"
int main(void) {
    char here[4096], text[4096];
    YES(getcwd(here, sizeof here) == here);
    CALL(umask(077));
    CALL(umask(0777777));
    CALL(umask(022));
    mkdir("d", 0777);
    mkdir("d/e", 0777);
    CALL(chdir("d/e"));
    getcwd(text, sizeof text);
    printf("%s\n", text + strlen(here));
    CALL(syscall(SYS_getcwd, text, 3));
    CALL(syscall(SYS_getcwd, text, 0));
    printf("length counts the end: %d\n", syscall(SYS_getcwd, text, sizeof text) == strlen(text) + 1);
    CALL(rmdir("../e"));
    YES(getcwd(text, sizeof text) == NULL && errno == ENOENT);
    CALL(open("x", O_CREAT | O_WRONLY, 0600));
    CALL(mkdir("y", 0700));
    OK(open(".", O_RDONLY));
    CALL(stat("..", &(struct stat){}));
    CALL(chdir(".."));
    getcwd(text, sizeof text);
    printf("%s\n", text + strlen(here));
    CALL(chdir(here));
    CALL(chdir("nothing"));
    put_file("f", "");
    CALL(chdir("f"));
    int fd = open("f", O_RDONLY), dir = open("d", O_RDONLY);
    CALL(fchdir(fd));
    CALL(fchdir(99));
    CALL(fchdir(dir));
    rename("../d", "../renamed");
    getcwd(text, sizeof text);
    printf("%s\n", text + strlen(here));
    chdir(here);
    mkdir("closed", 0700);
    how("no search right", CHILD(setuid(1000); CALL(chdir("closed"))));
    return 0;
}
