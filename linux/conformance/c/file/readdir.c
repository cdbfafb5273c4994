// Directories: all names once, types, . and .., seekdir, rewinddir, many entries, changes while reading.
#include "check.h"
#include <dirent.h>
int main(void) {
    mkdir("d", 0755);
    put_file("d/file", "");
    mkdir("d/dir", 0755);
    symlink("x", "d/link");
    mkfifo("d/fifo", 0600);
    DIR *d = opendir("d");
    const char *names[] = {".", "..", "dir", "fifo", "file", "link"};
    int seen[6] = {0}, types[6];
    for (struct dirent *e; (e = readdir(d));)
        for (int i = 0; i < 6; i++) if (!strcmp(e->d_name, names[i])) seen[i]++, types[i] = e->d_type;
    for (int i = 0; i < 6; i++) printf("%s %d type %d\n", names[i], seen[i], types[i]);
    rewinddir(d);
    readdir(d), readdir(d), readdir(d);
    long at = telldir(d);
    struct dirent *e = readdir(d);
    char fourth[256];
    strcpy(fourth, e->d_name);
    while (readdir(d)) {}
    seekdir(d, at);
    e = readdir(d);
    YES(e && strcmp(e->d_name, fourth) == 0);
    closedir(d);
    mkdir("many", 0755);
    char name[64];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "many/a-rather-long-name-%03d", i);
        put_file(name, "");
    }
    static char found[500];
    d = opendir("many");
    int count = 0, removed = 0;
    while ((e = readdir(d))) {
        int n;
        if (sscanf(e->d_name, "a-rather-long-name-%d", &n) != 1) continue;
        count++;
        found[n]++;
        snprintf(name, sizeof name, "many/%s", e->d_name);
        removed += unlink(name) == 0;
    }
    int twice = 0;
    for (int i = 0; i < 500; i++) twice += found[i] != 1;
    printf("count %d removed %d not once %d\n", count, removed, twice);
    CALL(rmdir("many"));
    char small[10];
    int fd = open("d", O_RDONLY);
    CALL(syscall(SYS_getdents64, fd, small, sizeof small));
    fd = open("d/file", O_RDONLY);
    CALL(syscall(SYS_getdents64, fd, small, sizeof small));
    CALL(read(open("d", O_RDONLY), small, 1));
    YES(opendir("nothing") == NULL && opendir("d/file") == NULL && errno == ENOTDIR);
    return 0;
}
