// inotify: events of files and directories with names, cookies of renames, masks, removal, errors.
#include "check.h"
#include <sys/inotify.h>
static int fd;
static void drain(const char *what) {
    char buffer[4096] __attribute__((aligned(8)));
    ssize_t n;
    uint32_t cookie = 0;
    printf("%s:", what);
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        for (char *p = buffer; p < buffer + n;) {
            struct inotify_event *e = (void *)p;
            printf(" %x", e->mask);
            if (e->len) printf("(%s)", e->name);
            if (e->cookie) printf("%s", cookie == 0 ? "[cookie]" : cookie == e->cookie ? "[same]" : "[other]"), cookie = e->cookie;
            p += sizeof *e + e->len;
        }
    printf("\n");
}
int main(void) {
    OK(fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    mkdir("d", 0755);
    int w = OK(inotify_add_watch(fd, "d", IN_ALL_EVENTS));
    CALL(w);
    drain("nothing");
    int f = open("d/f", O_CREAT | O_RDWR, 0600);
    drain("create");
    write(f, "x", 1);
    drain("write");
    pread(f, &(char){0}, 1, 0);
    drain("read");
    close(f);
    drain("close");
    rename("d/f", "d/g");
    drain("rename");
    rename("d/g", "g");
    drain("move out");
    rename("g", "d/h");
    drain("move in");
    chmod("d/h", 0644);
    drain("chmod");
    mkdir("d/sub", 0755);
    drain("mkdir");
    unlink("d/h");
    drain("unlink");
    struct pollfd p = {fd, POLLIN};
    CALL(poll(&p, 1, 0));
    rmdir("d/sub");
    CALL(poll(&p, 1, 0));
    drain("rmdir");
    put_file("file", "");
    int w2 = inotify_add_watch(fd, "file", IN_MODIFY | IN_DELETE_SELF | IN_ONESHOT);
    put_file("file", "more");
    drain("oneshot");
    CALL(inotify_rm_watch(fd, w2));
    CALL(inotify_rm_watch(fd, w));
    drain("removed");
    CALL(inotify_add_watch(fd, "none", IN_MODIFY));
    CALL(inotify_add_watch(fd, "file", 0));
    CALL(inotify_add_watch(fd, "file", IN_ONLYDIR | IN_MODIFY));
    CALL(inotify_add_watch(0, "file", IN_MODIFY));
    OK(inotify_add_watch(fd, "d", IN_DELETE_SELF));
    rmdir("d");
    drain("self");
    return 0;
}
