// Stopping and continuing: SIGSTOP cannot be held off, SIGCONT always continues, SIGTSTP can be ignored.
#include "check.h"
static volatile sig_atomic_t conts;
static void on_cont(int sig) { conts++; }
static void expect(pid_t pid, int options) {
    int status = 0;
    NEED(waitpid(pid, &status, options));
    how("  child", status);
}
int main(void) {
    int go[2];
    NEED(pipe(go));
    pid_t pid = SPAWN(sigset_t all; sigfillset(&all); sigprocmask(SIG_SETMASK, &all, NULL); write(go[1], "x", 1); for (;;) pause());
    char c;
    read(go[0], &c, 1);
    kill(pid, SIGSTOP);
    expect(pid, WUNTRACED);
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
    expect(pid, WCONTINUED);
    kill(pid, SIGTSTP);
    pause_ms(20);
    CALL(waitpid(pid, NULL, WNOHANG | WUNTRACED));
    kill(pid, SIGKILL);
    expect(pid, 0);
    pid = SPAWN(signal(SIGCONT, on_cont); raise(SIGSTOP); printf("after stop: conts %d\n", conts); raise(SIGTSTP);
        printf("after second: conts %d\n", conts); _exit(2));
    for (int i = 0; i < 2; i++) {
        expect(pid, WUNTRACED);
        kill(pid, SIGCONT);
    }
    expect(pid, 0);
    pid = SPAWN(for (;;) pause());
    kill(pid, SIGSTOP);
    expect(pid, WUNTRACED);
    kill(pid, SIGKILL);
    printf("killed while stopped\n");
    expect(pid, 0);
    return 0;
}
