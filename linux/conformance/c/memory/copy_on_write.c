// static. After fork, writes of one side are never seen by the other, page by page, also through the kernel's writes.
#include "check.h"
int main(void) {
    int n = 64;
    char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < n; i++) memset(p + i * PAGE, 'a', PAGE);
    int go[2], back[2], c;
    pipe(go), pipe(back);
    pid_t pid = SPAWN(
        for (int i = 0; i < n; i += 2) p[i * PAGE] = 'c';
        write(back[1], "x", 1);
        read(go[0], &c, 1);
        int a = 0, k = 0;
        for (int i = 0; i < n; i++) { a += p[i * PAGE] == 'a'; k += p[i * PAGE] == 'c'; }
        printf("child: %d old, %d own\n", a, k));
    read(back[0], &c, 1);
    for (int i = 0; i < n; i += 3) p[i * PAGE] = 'p';
    int a = 0, own = 0;
    for (int i = 0; i < n; i++) { a += p[i * PAGE] == 'a'; own += p[i * PAGE] == 'p'; }
    printf("parent: %d old, %d own\n", a, own);
    write(go[1], "x", 1);
    reap(pid);
    how("kernel writes", CHILD(int z = open("/dev/zero", O_RDONLY); read(z, p + PAGE, 2 * PAGE); _exit(p[PAGE])));
    printf("parent still %c\n", p[PAGE]);
    int status = CHILD(int s = CHILD(int s2 = CHILD(p[0] = '3'); p[0] = '2'); printf("middle %c\n", p[0]));
    printf("top %c\n", p[0]);
    return 0;
}
