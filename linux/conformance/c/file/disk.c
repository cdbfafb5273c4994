/* A disk as a file, which is only to be read: its size, its end, what is refused, what ioctl tells. */
#include "check.h"

#include <linux/fs.h>
#include <linux/hdreg.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/stat.h>

int main(void)
{
    struct stat stat;
    unsigned long long size = 0, range[2] = {0, 512};
    unsigned long blocks = 0;
    int sector = 0, block = 0, only_read = -1;
    unsigned int physical = 0;
    static char bytes[8192] __attribute__((aligned(4096)));
    struct hd_geometry geometry;

    CALL(lstat("/dev/xvda", &stat));
    printf("%o %u:%u %lld\n", stat.st_mode & S_IFMT, major(stat.st_rdev), minor(stat.st_rdev), (long long)stat.st_size);
    int fd = open("/dev/xvda", O_RDONLY);
    printf("open %s\n", fd >= 0 ? "YES" : strerrorname_np(errno));
    CALL(ioctl(fd, BLKGETSIZE64, &size));
    CALL(ioctl(fd, BLKGETSIZE, &blocks));
    CALL(ioctl(fd, BLKSSZGET, &sector));
    CALL(ioctl(fd, BLKPBSZGET, &physical));
    CALL(ioctl(fd, BLKBSZGET, &block));
    CALL(ioctl(fd, BLKROGET, &only_read));
    CALL(ioctl(fd, HDIO_GETGEO, &geometry));
    printf("size %s, sector %d, physical %s, read-only %d\n", size == blocks * 512ULL ? "YES" : "NO", sector,
           physical >= sector ? "YES" : "NO", only_read);
    printf("heads %d sectors %d start %ld\n", geometry.heads, geometry.sectors, geometry.start);
    printf("end %s\n", lseek(fd, 0, SEEK_END) == (off_t)size ? "YES" : "NO");
    CALL(lseek(fd, 1, SEEK_END));
    CALL(lseek(fd, 0, SEEK_DATA));
    CALL(lseek(fd, 0, SEEK_HOLE));
    CALL(pread(fd, bytes, 10, size));
    CALL(pread(fd, bytes, 10, size - 3));
    CALL(pread(fd, bytes, 10, size + 1000));
    CALL(pwrite(fd, bytes, 10, 0));
    CALL(fsync(fd));
    CALL(fdatasync(fd));
    CALL(ftruncate(fd, 0));
    CALL(ioctl(fd, BLKDISCARD, range));
    CALL(ioctl(fd, 0x1234, 0));
    /* The superblock of an ext4. */
    CALL(pread(fd, bytes, 4096, 0));
    printf("magic %02x%02x\n", bytes[0x438] & 255, bytes[0x439] & 255);
    close(fd);

    fd = open("/dev/xvda", O_RDWR);
    printf("to write: %s\n", fd >= 0 ? "YES" : strerrorname_np(errno));
    if (fd >= 0) {
        CALL(pwrite(fd, bytes, 10, 0));
        CALL(pwrite(fd, bytes, 10, size));
        CALL(ioctl(fd, BLKDISCARD, range));
        close(fd);
    }
    fd = open("/dev/xvda", O_RDONLY | O_DIRECT);
    printf("direct: %s\n", fd >= 0 ? "YES" : strerrorname_np(errno));
    if (fd >= 0) {
        CALL(pread(fd, bytes, 4096, 4096));
        CALL(pread(fd, bytes, 100, 0));
        CALL(pread(fd, bytes, 512, 100));
    }
    return 0;
}
