// static. A chain of children, each forked by the one before: exit codes come back through all.
#include "check.h"
static int down(int depth) {
    if (depth == 0) return 1;
    int status = CHILD(_exit(down(depth - 1)));
    return WEXITSTATUS(status) + 1;
}
int main(void) {
    printf("depth %d\n", down(20));
    int sum = 0;
    pid_t pid[30];
    for (int i = 0; i < 30; i++) pid[i] = SPAWN(_exit(i));
    for (int i = 29; i >= 0; i--) sum += WEXITSTATUS(reap(pid[i]));
    printf("sum %d\n", sum);
    return 0;
}
