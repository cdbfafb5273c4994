// statfs, fstatfs, statvfs and sync calls.
#include "check.h"
#include <sys/statvfs.h>
#include <sys/vfs.h>
int main(void) {
    struct statfs s;
    struct statvfs v;
    CALL(statfs(".", &s));
    YES(s.f_bsize >= 512 && s.f_namelen == 255);
    CALL(statfs("/proc", &s));
    printf("proc type %lx\n", (long)s.f_type);
    CALL(statfs("/dev/shm", &s));
    printf("shm type %lx\n", (long)s.f_type);
    CALL(statfs("none", &s));
    CALL(fstatfs(0, &s));
    CALL(fstatfs(99, &s));
    CALL(statvfs(".", &v));
    YES(v.f_frsize > 0 && v.f_blocks >= v.f_bfree);
    int fd = open("f", O_RDWR | O_CREAT, 0600), p[2];
    CALL(syncfs(fd));
    CALL(fsync(fd));
    CALL(fdatasync(fd));
    pipe(p);
    CALL(fsync(p[0]));
    CALL(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    return 0;
}
