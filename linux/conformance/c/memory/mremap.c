// static. mremap: shrink, grow in place, move, to a fixed place, and the errors.
#include "check.h"
int main(void) {
    catch_faults();
    int flags = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;
    char *p = mmap(NULL, 8 * PAGE, rw, flags, -1, 0), *q;
    for (int i = 0; i < 8; i++) p[i * PAGE] = 'a' + i;
    YES(mremap(p, 8 * PAGE, 4 * PAGE, 0) == p);
    FAULT(p + 4 * PAGE, p[4 * PAGE]);
    YES(mremap(p, 4 * PAGE, 6 * PAGE, 0) == p);
    printf("%c %d\n", p[3 * PAGE], p[4 * PAGE]);
    mmap(p + 6 * PAGE, PAGE, PROT_NONE, flags | MAP_FIXED, -1, 0);
    YES(mremap(p, 6 * PAGE, 9 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
    q = mremap(p, 6 * PAGE, 9 * PAGE, MREMAP_MAYMOVE);
    YES(q != MAP_FAILED && q != p);
    FAULT(p, p[0]);
    printf("%c %c %d\n", q[0], q[3 * PAGE], q[8 * PAGE]);
    char *place = mmap(NULL, 9 * PAGE, rw, flags, -1, 0);
    place[0] = 'z';
    YES(mremap(q, 9 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place);
    printf("%c %c %d\n", place[0], place[PAGE], place[2 * PAGE]);
    CALL(mremap(place, PAGE, PAGE, MREMAP_FIXED, place));
    CALL(mremap(place + 1, PAGE, PAGE, 0));
    CALL(mremap(place, PAGE, 0, 0));
    CALL(mremap((void *)0x5000, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    CALL(mremap(place, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place));
    CALL(mremap(place, PAGE, PAGE, 0x80));
    int fd = open("f", O_RDWR | O_CREAT, 0600);
    ftruncate(fd, 3 * PAGE);
    char *s = mmap(NULL, PAGE, rw, MAP_SHARED, fd, 0);
    s = mremap(s, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    strcpy(s + 2 * PAGE, "moved");
    char text[6] = "";
    pread(fd, text, 5, 2 * PAGE);
    printf("file %s\n", text);
    return 0;
}
