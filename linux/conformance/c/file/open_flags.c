// static. open: every flag that changes the answer, alone and together.
#include "check.h"
#define TRY(path, flags) do { int fd_ = open(path, flags, 0644); printf("open(%s, %s): %s\n", #path, #flags, fd_ < 0 ? name_of(errno) : "ok"); if (fd_ >= 0) close(fd_); } while (0)
int main(void) {
    put_file("f", "0123456789");
    mkdir("d", 0755);
    symlink("f", "link");
    symlink("nothing", "dangling");
    symlink("d", "dirlink");
    TRY("f", O_RDONLY);
    TRY("none", O_RDONLY);
    TRY("f", O_CREAT | O_EXCL | O_WRONLY);
    TRY("dangling", O_CREAT | O_EXCL | O_WRONLY);
    TRY("link", O_NOFOLLOW | O_RDONLY);
    TRY("link", O_NOFOLLOW | O_PATH);
    TRY("f", O_NOFOLLOW | O_RDONLY);
    TRY("f", O_DIRECTORY | O_RDONLY);
    TRY("d", O_DIRECTORY | O_RDONLY);
    TRY("dirlink", O_DIRECTORY | O_RDONLY);
    TRY("dirlink", O_DIRECTORY | O_NOFOLLOW);
    TRY("d", O_RDWR);
    TRY("d", O_WRONLY);
    TRY("d", O_CREAT | O_RDONLY);
    TRY("d/", O_CREAT | O_WRONLY);
    TRY("new/", O_CREAT | O_WRONLY);
    TRY("f/", O_RDONLY);
    TRY("f/x", O_CREAT | O_WRONLY);
    TRY("none/x", O_CREAT | O_WRONLY);
    TRY("", O_RDONLY);
    TRY("f", O_ACCMODE);
    TRY("dangling", O_CREAT | O_WRONLY);
    CALL(access("nothing", F_OK));
    struct stat s;
    TRY("f", O_WRONLY | O_TRUNC);
    stat("f", &s);
    printf("size %ld\n", (long)s.st_size);
    int fd = open("f", O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    YES((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (O_RDWR | O_APPEND | O_NONBLOCK));
    CALL(fcntl(fd, F_GETFD));
    fd = open("f", O_RDONLY);
    CALL(write(fd, "x", 1));
    fd = open("f", O_WRONLY);
    CALL(read(fd, &s, 1));
    TRY("f", O_TMPFILE | O_RDWR);
    return 0;
}
