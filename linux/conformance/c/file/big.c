// static. A file of some megabytes written, read back in odd pieces, patched in the middle, and checked.
#include "check.h"
static unsigned char value(size_t i) { return i * 2654435761u >> 13; }
int main(void) {
    size_t size = 3 * 1024 * 1024 + 777;
    unsigned char *block = malloc(size), *back = malloc(size);
    for (size_t i = 0; i < size; i++) block[i] = value(i);
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    size_t done = 0, step = 1;
    while (done < size) {
        size_t n = step > size - done ? size - done : step;
        ssize_t w = write(fd, block + done, n);
        if (w <= 0) { printf("write: %s\n", name_of(errno)); return 1; }
        done += w;
        step = step * 3 % 70001 + 1;
    }
    lseek(fd, 0, SEEK_SET);
    for (done = 0, step = 5; done < size;) {
        ssize_t r = read(fd, back + done, step);
        if (r <= 0) break;
        done += r;
        step = step * 5 % 50021 + 1;
    }
    printf("read %zu of %zu, equal %d\n", done, size, memcmp(block, back, size) == 0);
    pwrite(fd, "patched", 7, 1234567);
    unsigned char *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    memcpy(block + 1234567, "patched", 7);
    printf("mapping equal %d\n", memcmp(map, block, size) == 0);
    CALL(fsync(fd));
    CALL(read(fd, back, 10));
    struct stat s;
    fstat(fd, &s);
    YES(s.st_blocks * 512 >= size - 4096);
    return 0;
}
