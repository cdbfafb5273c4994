// Thousands of timers and watches: refused at some point or not, and all are gone with their owner.
#include "witness.h"
#include <sys/inotify.h>
int main(void) {
    start_witness();
    for (int round = 0; round < 2; round++)
        how("owner", CHILD(
            struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
            signal(SIGUSR1, SIG_IGN);
            int n = 0;
            timer_t t;
            while (n < 2000 && timer_create(CLOCK_MONOTONIC, &e, &t) == 0) {
                struct itimerspec s = {{0, 1000000}, {0, 1000000 + n}};
                timer_settime(t, 0, &s, NULL);
                n++;
            }
            printf("enough timers: %d\n", n >= 100);
            int i = inotify_init(), w = 0;
            for (char name[32]; w < 200; w++) { snprintf(name, sizeof name, "w%d", w); put_file(name, ""); if (inotify_add_watch(i, name, IN_ALL_EVENTS) < 0) break; }
            printf("enough watches: %d\n", w >= 50);
            pause_ms(50)));
    ask_witness();
    end_witness();
    return 0;
}
