// static. madvise: DONTNEED gives zeros, or the file again; FREE may; WIPEONFORK and DONTFORK; the errors.
#include "check.h"
int main(void) {
    catch_faults();
    int flags = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;
    char *p = mmap(NULL, 4 * PAGE, rw, flags, -1, 0);
    memset(p, 3, 4 * PAGE);
    CALL(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
    printf("%d %d %d %d\n", p[0], p[PAGE], p[3 * PAGE - 1], p[3 * PAGE]);
    CALL(madvise(p, 4 * PAGE, MADV_WILLNEED));
    CALL(madvise(p, 4 * PAGE, MADV_NORMAL));
    CALL(madvise(p, 4 * PAGE, MADV_SEQUENTIAL));
    CALL(madvise(p, 4 * PAGE, MADV_FREE));
    p[0] = 6;
    printf("%d\n", p[0]);
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    write(fd, "file", 4);
    char *f = mmap(NULL, PAGE, rw, MAP_PRIVATE, fd, 0);
    f[0] = 'X';
    CALL(madvise(f, PAGE, MADV_DONTNEED));
    printf("%.4s\n", f);
    char *s = mmap(NULL, PAGE, rw, MAP_SHARED, fd, 0);
    s[0] = 'S';
    CALL(madvise(s, PAGE, MADV_DONTNEED));
    printf("%.4s\n", s);
    CALL(madvise(p, PAGE, MADV_WIPEONFORK));
    CALL(madvise(p + PAGE, PAGE, MADV_DONTFORK));
    p[0] = p[PAGE] = 9;
    how("child", CHILD(printf("wiped %d\n", p[0]); FAULT(p + PAGE, *(volatile char *)(p + PAGE))));
    printf("%d %d\n", p[0], p[PAGE]);
    CALL(madvise(p + 1, PAGE, MADV_DONTNEED));
    CALL(madvise(p, PAGE, 12345));
    CALL(madvise(p, 0, MADV_DONTNEED));
    munmap(p + PAGE, PAGE);
    CALL(madvise(p, 3 * PAGE, MADV_WILLNEED));
    CALL(madvise(p, 3 * PAGE, MADV_DONTNEED));
    return 0;
}
