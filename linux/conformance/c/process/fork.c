// static. fork: two return values, memory apart, the child's parent, its exit code.
#include "check.h"
static int global = 1;
int main(void) {
    int local = 1, *heap = malloc(sizeof *heap);
    *heap = 1;
    pid_t parent = getpid(), seen;
    int out[2];
    NEED(pipe(out));
    pid_t pid = NEED(fork());
    if (pid == 0) {
        global++, local++, (*heap)++;
        printf("child: parent right %d, sees %d %d %d\n", getppid() == parent, global, local, *heap);
        seen = getpid();
        NEED(write(out[1], &seen, sizeof seen));
        _exit(7);
    }
    how("child", reap(pid));
    NEED(read(out[0], &seen, sizeof seen));
    printf("pids agree: %d\n", seen == pid);
    printf("parent: sees %d %d %d\n", global, local, *heap);
    CALL(waitpid(pid, NULL, 0));
    CALL(waitpid(-1, NULL, 0));
    return 0;
}
