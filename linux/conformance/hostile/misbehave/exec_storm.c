// Fork, exec and exit in several processes at once, two hundred times.
#include "witness.h"
int main(void) {
    start_witness();
    pid_t pid[4];
    for (int i = 0; i < 4; i++) pid[i] = SPAWN(int good = 0; for (int j = 0; j < 50; j++) good += CHILD(execl("/bin/true", "true", NULL); _exit(9)) == 0; _exit(good));
    for (int i = 0; i < 4; i++) how("starter", reap(pid[i]));
    ask_witness();
    end_witness();
    return 0;
}
