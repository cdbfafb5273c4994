// O_TMPFILE: a file without a name that can be given one; tmpfile and mkstemp.
#include "check.h"
int main(void) {
    int fd = OK(open(".", O_TMPFILE | O_RDWR, 0640));
    struct stat s;
    CALL(fstat(fd, &s));
    printf("links %d mode %o\n", (int)s.st_nlink, s.st_mode);
    CALL(write(fd, "hidden", 6));
    CALL(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    char text[20], path[64];
    printf("%s\n", get_file("named", text, sizeof text));
    fstat(fd, &s);
    printf("links %d\n", (int)s.st_nlink);
    int two = open(".", O_TMPFILE | O_WRONLY, 0600);
    write(two, "via proc", 8);
    snprintf(path, sizeof path, "/proc/self/fd/%d", two);
    CALL(linkat(AT_FDCWD, path, AT_FDCWD, "other", AT_SYMLINK_FOLLOW));
    printf("%s\n", get_file("other", text, sizeof text));
    int three = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(path, sizeof path, "/proc/self/fd/%d", three);
    CALL(linkat(AT_FDCWD, path, AT_FDCWD, "third", AT_SYMLINK_FOLLOW));
    CALL(open(".", O_TMPFILE | O_RDONLY, 0600));
    char template[] = "nameXXXXXX";
    OK(mkstemp(template));
    YES(access(template, F_OK) == 0 && strlen(template) == 10);
    FILE *f = tmpfile();
    YES(f != NULL);
    return 0;
}
