// /proc/self/maps: the mappings we make are there with bounds, rights, offset and name; merged and split as made.
#include "check.h"
static void show(const char *what, void *from, size_t length) {
    FILE *f = fopen("/proc/self/maps", "r");
    char line[600];
    printf("%s\n", what);
    while (fgets(line, sizeof line, f)) {
        unsigned long a, b, off, inode;
        char rights[8], dev[16], path[300] = "";
        sscanf(line, "%lx-%lx %7s %lx %15s %lu %299[^\n]", &a, &b, rights, &off, dev, &inode, path);
        if (b <= (uintptr_t)from || a >= (uintptr_t)from + length) continue;
        char *name = strrchr(path, '/');
        printf("  +%lx pages %lu %s offset %lx inode %d %s\n", a > (uintptr_t)from ? a - (uintptr_t)from : 0,
            (b - a) / PAGE, rights, off, inode != 0, name ? name : "-");
    }
    fclose(f);
}
int main(void) {
    char *hole = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(hole, 64 * PAGE);
    char *p = hole + 8 * PAGE;
    mmap(p, 8 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    show("one", p, 8 * PAGE);
    mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE);
    show("split in three", p, 8 * PAGE);
    munmap(p + 5 * PAGE, PAGE);
    show("with a hole", p, 8 * PAGE);
    int fd = open("mapped-file", O_RDWR | O_CREAT, 0600);
    ftruncate(fd, 4 * PAGE);
    mmap(p, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 2 * PAGE);
    mmap(p + 8 * PAGE, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
    show("with files", p, 12 * PAGE);
    static char text[65536];
    get_file("/proc/self/maps", text, sizeof text);
    YES(strstr(text, "[stack]\n") && strstr(text, "[heap]\n") && strstr(text, "[vdso]\n"));
    return 0;
}
