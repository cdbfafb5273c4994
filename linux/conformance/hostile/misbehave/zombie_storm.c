// Hundreds of zombies left lying, then taken; and hundreds left to process 1.
#include "witness.h"
int main(void) {
    start_witness();
    how("with zombies", CHILD(
        int n = 0, taken = 0;
        while (n < 300 && fork() != 0) if (++n > 300) break;
        if (n < 300) _exit(0);
        int same = getpid();
        ask_witness();
        while (wait(NULL) > 0) taken++;
        printf("taken %d\n", taken)));
    how("orphans", CHILD(for (int i = 0; i < 200; i++) if (fork() == 0) { if (fork() == 0) _exit(0); _exit(0); } _exit(4)));
    ask_witness();
    end_witness();
    return 0;
}
