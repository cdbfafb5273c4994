/* Memory that belongs to no process: what lies in pipes, sockets, files of tmpfs and queues, piled up by a user without
 * rights until there is no more. The kernel refuses; what is let go of comes back. */
#include "witness.h"
#include <sys/inotify.h>
#include <netinet/in.h>
#include <sys/un.h>
static int real;
static char block[65536];
static void be_nobody(void) {
    struct rlimit l = {1024, 1024};
    setrlimit(RLIMIT_NOFILE, &l);
    setgid(54321);
    setuid(54321);
}
#define PILES(X) \
    X(pipes, int p[2]; for (int n = 0; n < (real ? 500 : 5) && pipe2(p, O_NONBLOCK) == 0; n++) { fcntl(p[0], F_SETPIPE_SZ, 1 << 20); while (write(p[1], block, sizeof block) > 0) {} }) \
    X(streams, int p[2]; for (int n = 0; n < (real ? 500 : 5) && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == 0; n++) { int size = 1 << 30; setsockopt(p[1], SOL_SOCKET, SO_SNDBUF, &size, 4); while (write(p[1], block, sizeof block) > 0) {} }) \
    X(datagrams, int p[2]; for (int n = 0; n < (real ? 500 : 5) && socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p) == 0; n++) for (int i = 0; i < 2 && write(p[i], block, 60000) > 0; i += 0) {}) \
    X(small_messages, int p[2]; for (int n = 0; n < (real ? 500 : 5) && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p) == 0; n++) while (write(p[1], "x", 1) > 0) {}) \
    X(loopback, struct sockaddr_in a = {AF_INET}; for (int n = 0; n < (real ? 400 : 5); n++) { int s = socket(AF_INET, SOCK_DGRAM, 0), len = sizeof a; a.sin_addr.s_addr = htonl(0x7f000001); a.sin_port = 0; if (s < 0 || bind(s, (void *)&a, sizeof a)) break; getsockname(s, (void *)&a, &len); for (int i = 0; i < 20; i++) if (sendto(s, block, 60000, MSG_DONTWAIT, (void *)&a, sizeof a) < 0) break; }) \
    X(connections, struct sockaddr_in a = {AF_INET}; int l = socket(AF_INET, SOCK_STREAM, 0), len = sizeof a; a.sin_addr.s_addr = htonl(0x7f000001); bind(l, (void *)&a, sizeof a); listen(l, 1000); getsockname(l, (void *)&a, &len); for (int n = 0; n < (real ? 480 : 5); n++) { int s = socket(AF_INET, SOCK_STREAM, 0); if (s < 0 || connect(s, (void *)&a, sizeof a)) break; int c = accept(l, NULL, NULL); if (c < 0) break; while (send(s, block, sizeof block, MSG_DONTWAIT) > 0) {} }) \
    X(memfd, int f = memfd_create("m", 0); for (long n = 0; n < (real ? 100000 : 50) && write(f, block, sizeof block) > 0; n++) {}) \
    X(file, int f = open("/tmp/pile", O_RDWR | O_CREAT, 0600); unlink("/tmp/pile"); for (long n = 0; n < (real ? 100000 : 50) && write(f, block, sizeof block) > 0; n++) {}) \
    X(names, char n[64]; mkdir("/tmp/pile.d", 0777); chdir("/tmp/pile.d"); long i = 0; for (; i < (real ? 100000 : 500); i++) { sprintf(n, "a.name.that.is.rather.long.%ld", i); int f = open(n, O_CREAT | O_WRONLY, 0600); if (f < 0) break; close(f); } while (--i >= 0) { sprintf(n, "a.name.that.is.rather.long.%ld", i); unlink(n); } rmdir("/tmp/pile.d")) \
    X(signals, sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, NULL); for (long n = 0; n < (real ? 1000000 : 5000) && sigqueue(getpid(), SIGRTMIN, (union sigval){}) == 0; n++) {}) \
    X(areas, char *p = mmap(NULL, 1L << 33, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); for (long i = 0; i < 100000; i++) if (mprotect(p + i * 8192, 4096, PROT_READ)) break) \
    X(tables, char *p = mmap(NULL, 1L << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); for (long i = 0; p != MAP_FAILED && i < (real ? 100000 : 500); i++) if (*(volatile char *)(p + (i << 21))) break) \
    X(arguments, static char *a[100000]; for (int i = 0; i < 99999; i++) a[i] = "x"; a[0] = "/bin/true"; for (int i = 0; i < (real ? 60 : 8); i++) if (fork() == 0) { execv("/bin/true", a); _exit(1); } while (wait(NULL) > 0) {}) \
    X(locks, int f = open("/tmp/pile", O_RDWR | O_CREAT, 0600); for (long i = 0; i < (real ? 5000 : 1000); i++) { struct flock l = {F_WRLCK, SEEK_SET, i * 2, 1}; if (fcntl(f, F_SETLK, &l)) break; } unlink("/tmp/pile")) \
    X(watches, int e = inotify_init(); char n[32]; for (int i = 0; i < (real ? 20000 : 100); i++) { snprintf(n, 32, "/tmp/watch.%d", i % 1000); close(open(n, O_CREAT | O_WRONLY, 0600)); if (inotify_add_watch(e, n, IN_ALL_EVENTS) < 0) break; })
#define FUNCTION(name, ...) static void pile_##name(void) { __VA_ARGS__; }
PILES(FUNCTION)
int main(int argc, char **argv) {
    real = getenv("CONFORMANCE_GUEST") != NULL;
    start_witness();
#define ROW(name, ...) if (argc < 2 || !strcmp(argv[1], #name)) { \
        int status = CHILD(be_nobody(); pile_##name()); \
        printf("%s: %s\n", #name, WIFEXITED(status) || WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "over" : "strange"); \
        ask_witness(); }
    PILES(ROW)
    end_witness();
    return 0;
}
