// A fork bomb of a user with a limit on processes: refused at the limit, all can be killed.
#include "witness.h"
int main(void) {
    start_witness();
    int told[2];
    pipe(told);
    pid_t bomb = SPAWN(
        setpgid(0, 0);
        struct rlimit l = {60, 60};
        setrlimit(RLIMIT_NPROC, &l);
        setgid(54321);
        setuid(54321);
        for (;;) {
            pid_t p = fork();
            if (p < 0) { write(told[1], errno == EAGAIN ? "A" : "O", 1); pause_ms(20); }
        });
    setpgid(bomb, bomb);
    char c = 0;
    for (int i = 0; i < 100; i++) read(told[0], &c, 1);
    printf("refused with %s\n", c == 'A' ? "EAGAIN" : "another error");
    ask_witness();
    int left = 1;
    for (int i = 0; i < 200 && left; i++) {
        kill(-bomb, SIGKILL);
        while (waitpid(-bomb, NULL, WNOHANG) > 0) {}
        left = kill(-bomb, 0) == 0;
        pause_ms(10);
    }
    printf("left: %d\n", left);
    ask_witness();
    end_witness();
    return 0;
}
