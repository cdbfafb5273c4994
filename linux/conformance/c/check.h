/* What every program of the suite uses: printing in a form that depends on
 * nothing but the answer, and small helpers around fork.
 *
 * CALL prints the number or the name of the error; OK is for results whose
 * value may differ from run to run (descriptors, pids, addresses). */
#pragma once
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL

__attribute__((constructor)) static void unbuffered(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
}

/* The name of an error, also for those that glibc has no name for. */
static inline const char *name_of(int error) {
    static char number[16];
    const char *name = strerrorname_np(error);
    if (name) return name;
    snprintf(number, sizeof number, "E%d", error);
    return number;
}

static inline const char *signame(int sig) {
    static char number[16];
    const char *name = sig > 0 && sig < 32 ? sigabbrev_np(sig) : NULL;
    if (name) return name;
    if (sig >= SIGRTMIN && sig <= SIGRTMAX)
        snprintf(number, sizeof number, "RTMIN+%d", sig - SIGRTMIN);
    else
        snprintf(number, sizeof number, "%d", sig);
    return number;
}

static inline long call_(const char *what, long value) {
    int error = errno;
    if (value == -1) printf("%s = %s\n", what, name_of(error));
    else printf("%s = %ld\n", what, value);
    errno = error;
    return value;
}
#define CALL(e) call_(#e, (errno = 0, (long)(e)))

static inline long ok_(const char *what, long value) {
    int error = errno;
    printf("%s: %s\n", what, value == -1 ? name_of(error) : "ok");
    errno = error;
    return value;
}
#define OK(e) ok_(#e, (errno = 0, (long)(e)))

#define YES(e) printf("%s: %s\n", #e, (e) ? "yes" : "no")

/* For what must hold before the test proper can start. */
#define NEED(e) ({ long v_ = (long)(e); if (v_ == -1) { \
    printf("cannot go on: %s: %s\n", #e, name_of(errno)); _exit(99); } v_; })

static inline void how(const char *what, int status) {
    if (WIFEXITED(status)) printf("%s: exit %d\n", what, WEXITSTATUS(status));
    else if (WIFSIGNALED(status)) printf("%s: signal %s\n", what, signame(WTERMSIG(status)));
    else if (WIFSTOPPED(status)) printf("%s: stopped %s\n", what, signame(WSTOPSIG(status)));
    else if (WIFCONTINUED(status)) printf("%s: continued\n", what);
    else printf("%s: status %#x\n", what, status);
}

/* Runs the statements in a child and gives its wait status. */
#define CHILD(...) ({ int s_ = 0; pid_t p_ = NEED(fork()); \
    if (p_ == 0) { __VA_ARGS__; _exit(0); } \
    NEED(waitpid(p_, &s_, 0)); s_; })

/* Starts a child and gives its pid. */
#define SPAWN(...) ({ pid_t p_ = NEED(fork()); \
    if (p_ == 0) { __VA_ARGS__; _exit(0); } p_; })

static inline int reap(pid_t pid) {
    int status = 0;
    NEED(waitpid(pid, &status, 0));
    return status;
}

static inline void pause_ms(long ms) {
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&t, &t) == -1 && errno == EINTR) {}
}

static inline long now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until a process sleeps (state S) or is stopped (T): what it was told
 * to wait in, it now waits in. Falls back to time where /proc is not there. */
static inline void until_state(pid_t pid, char state) {
    for (int i = 0; i < 500; i++) {
        char path[64], text[512] = "", *end;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *f = fopen(path, "r");
        if (!f) { pause_ms(100); return; }
        if (!fgets(text, sizeof text, f)) text[0] = 0;
        fclose(f);
        end = strrchr(text, ')');
        if (end && end[1] && end[2] == state) { pause_ms(5); return; }
        pause_ms(2);
    }
}

static inline void put_file(const char *path, const char *text) {
    int fd = NEED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    NEED(write(fd, text, strlen(text)));
    close(fd);
}

/* The file's text, "" if it cannot be read. */
static inline char *get_file(const char *path, char *into, size_t size) {
    int fd = open(path, O_RDONLY);
    ssize_t n = 0, sum = 0;
    while (fd >= 0 && (size_t)sum < size - 1 && (n = read(fd, into + sum, size - 1 - sum)) > 0) sum += n;
    into[sum] = 0;
    if (fd >= 0) close(fd);
    return into;
}

/* The signals in a set, in order. */
static inline void show_set(const char *what, const sigset_t *set) {
    printf("%s:", what);
    for (int s = 1; s <= SIGRTMIN + 3; s++)
        if (sigismember(set, s) == 1) printf(" %s", signame(s));
    printf("\n");
}

/* Runs `access`, catching a fault: prints the signal, its code and whether
 * si_addr is the address that was expected. */
#include <setjmp.h>
static sigjmp_buf fault_jump;
static volatile int fault_sig, fault_code;
static void *volatile fault_addr;
static volatile long fault_sink;
static inline void on_fault(int sig, siginfo_t *info, void *context) {
    (void)context;
    fault_sig = sig; fault_code = info->si_code; fault_addr = info->si_addr;
    siglongjmp(fault_jump, 1);
}
static inline void catch_faults(void) {
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &act, NULL); sigaction(SIGBUS, &act, NULL);
    sigaction(SIGILL, &act, NULL); sigaction(SIGFPE, &act, NULL); sigaction(SIGTRAP, &act, NULL);
}
static inline const char *fault_code_name(int sig, int code) {
    static char number[16];
    if (sig == SIGSEGV && code == SEGV_MAPERR) return "MAPERR";
    if (sig == SIGSEGV && code == SEGV_ACCERR) return "ACCERR";
    if (sig == SIGBUS && code == BUS_ADRERR) return "ADRERR";
    if (sig == SIGBUS && code == BUS_ADRALN) return "ADRALN";
    if (code == SI_KERNEL) return "KERNEL";
    if (code == SI_USER) return "USER";
    snprintf(number, sizeof number, "%d", code);
    return number;
}
#define FAULT(addr, access) do { if (sigsetjmp(fault_jump, 1) == 0) { fault_sink = (long)(access); printf("%s: no fault\n", #access); } \
    else printf("%s: %s %s, address %s\n", #access, signame(fault_sig), \
        fault_code_name(fault_sig, fault_code), fault_addr == (void *)(addr) ? "right" : "wrong"); } while (0)
