/* What single operations cost, in nanoseconds, on whatever kernel runs this program.
 * Each operation is measured in turns of at least 20 ms; the median turn is told. Prints `micro NAME NANOSECONDS`. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURNS 7
#define TURN_NS 20000000LL

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void getppid_once(void) {
    syscall(SYS_getppid);
}

static void clock_once(void) {
    now();
}

static int there[2], back[2];

/* A byte there and back between two processes: two switches. */
static void pipe_once(void) {
    char byte = 1;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) fail("pipe");
}

static void start_echo(void) {
    if (pipe(there) || pipe(back)) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        char byte;
        close(there[1]);
        close(back[0]);
        while (read(there[0], &byte, 1) == 1)
            if (write(back[1], &byte, 1) != 1) _exit(1);
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
}

static void stop_echo(void) {
    close(there[1]);
    close(back[0]);
    wait(NULL);
}

static void fork_once(void) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
}

static void exec_once(void) {
    static char *const arguments[] = {"true", NULL};
    static char *const environment[] = {NULL};
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        execve("/bin/true", arguments, environment);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0) {
        fprintf(stderr, "/bin/true: status %d\n", status);
        exit(1);
    }
}

#define AREA_PAGES 256
static char *area;

/* A fresh page, written for the first time. */
static void fault_once(void) {
    static int page = AREA_PAGES;
    if (page == AREA_PAGES) {
        if (madvise(area, AREA_PAGES * 4096, MADV_DONTNEED)) fail("madvise");
        page = 0;
    }
    area[page++ * 4096] = 1;
}

static void mmap_once(void) {
    char *memory = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    memory[0] = 1;
    munmap(memory, 16 * 4096);
}

static void *nothing(void *argument) {
    return argument;
}

static void thread_once(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL)) fail("pthread_create");
    pthread_join(thread, NULL);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*once)(void)) {
    double turns[TURNS];
    for (int turn = 0; turn < TURNS; turn++) {
        long long start = now(), end, count = 0;
        do {
            for (int i = 0; i < 8; i++) once();
            count += 8;
            end = now();
        } while (end - start < TURN_NS);
        turns[turn] = (double)(end - start) / count;
    }
    qsort(turns, TURNS, sizeof turns[0], compare);
    printf("micro %s %.0f\n", name, turns[TURNS / 2]);
    fflush(stdout);
}

int main(void) {
    area = mmap(NULL, AREA_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) fail("mmap");
    measure("getppid", getppid_once);
    measure("clock_gettime", clock_once);
    start_echo();
    measure("pipe-round-trip", pipe_once);
    stop_echo();
    measure("fork+exit+wait", fork_once);
    measure("fork+exec+wait", exec_once);
    measure("page-fault", fault_once);
    measure("mmap+touch+munmap", mmap_once);
    measure("thread-create+join", thread_once);
    printf("micro done 0\n");
    return 0;
}
