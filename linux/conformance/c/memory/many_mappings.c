// static. A thousand mappings made, split, merged and dropped; every page keeps its own value.
#include "check.h"
int main(void) {
    int n = 1000, bad = 0;
    char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < n; i++) *(int *)(p + i * PAGE) = i * 7;
    for (int i = 0; i < n; i += 2) NEED(mprotect(p + i * PAGE, PAGE, PROT_READ));
    for (int i = 1; i < n; i += 2) *(int *)(p + i * PAGE) += 1;
    for (int i = 0; i < n; i++) bad += *(int *)(p + i * PAGE) != i * 7 + i % 2;
    printf("bad %d\n", bad);
    how("child", CHILD(int wrong = 0; for (int i = 0; i < n; i++) wrong += *(int *)(p + i * PAGE) != i * 7 + i % 2; _exit(wrong)));
    for (int i = 0; i < n; i += 4) NEED(munmap(p + i * PAGE, PAGE));
    bad = 0;
    for (int i = 0; i < n; i++) if (i % 4) bad += *(int *)(p + i * PAGE) != i * 7 + i % 2;
    printf("bad %d\n", bad);
    unsigned order = 12345;
    for (int i = 0; i < 300; i++) {
        order = (order * 1103515245 + 12345) & 0x7fffffff;
        size_t at = order % (n - 20), len = 1 + order / 1000 % 20;
        if (order & 0x10000) NEED(munmap(p + at * PAGE, len * PAGE));
        else {
            char *m = mmap(p + at * PAGE, len * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            for (size_t j = 0; j < len; j++) bad += m[j * PAGE] != 0;
        }
    }
    printf("bad %d\n", bad);
    CALL(munmap(p, n * PAGE));
    return 0;
}
