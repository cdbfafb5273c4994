/* Sizes, counts and ranges that no program means: each in a child of its own with a few seconds; how the call ended. Only
 * `NAME: hung` is wrong everywhere; what differs between kernels is printed as "ended". */
#include "../c/check.h"
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <netinet/in.h>
#include <sys/statfs.h>
#include <poll.h>
#include <sched.h>
#define BIG 0x7fffffffffffffffL
#define ALL 0x7ffffffff000L
static void run(const char *name, int strict, long (*call)(void)) {
    int told[2];
    pipe(told);
    fflush(stdout);
    pid_t pid = SPAWN(
        errno = 0;
        long r = call();
        char text[32];
        int n = snprintf(text, sizeof text, "%s", r == -1 ? name_of(errno) : "ok");
        write(told[1], text, n));
    int status = 0, over = 0;
    for (long start = now_ms(); waitpid(pid, &status, WNOHANG) == 0; pause_ms(2))
        if (now_ms() - start > 5000 && !over) over = 1, kill(pid, SIGKILL);
    close(told[1]);
    char text[33] = "";
    read(told[0], text, 32);
    close(told[0]);
    if (over) printf("%s: hung\n", name);
    else if (!strict) printf("%s: ended\n", name);
    else if (text[0]) printf("%s: %s\n", name, text);
    else how(name, status);
    fflush(stdout);
}
static int file(void) { return open("extreme", O_RDWR | O_CREAT | O_TRUNC, 0600); }
static char *page(void) { return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void files(long n) { struct rlimit l = {n, n}; setrlimit(RLIMIT_NOFILE, &l); }
#define CASES(STRICT, LOOSE) \
    STRICT(munmap_all, return munmap((void *)PAGE, ALL - PAGE * 2) == -2) \
    STRICT(mprotect_all, return mprotect((void *)0, ALL, PROT_READ)) \
    STRICT(madvise_all, return madvise((void *)0, ALL, MADV_DONTNEED)) \
    STRICT(madvise_willneed_all, return madvise((void *)0, ALL, MADV_WILLNEED)) \
    STRICT(msync_all, return msync((void *)0, ALL, MS_ASYNC)) \
    STRICT(mincore_all, return mincore((void *)0, ALL, (void *)page())) \
    STRICT(mlock_all, return mlock((void *)0, ALL)) \
    STRICT(mmap_all, return (long)mmap(NULL, ALL, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) \
    STRICT(mmap_wraps, return (long)mmap(NULL, -1L, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) \
    STRICT(mmap_offset, return (long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file(), 0x7ffffffffffff000)) \
    LOOSE(mmap_shared_tera, char *p = mmap(NULL, 1L << 40, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); if (p != MAP_FAILED) p[1L << 39] = 1, madvise(p, 1L << 40, MADV_DONTNEED), madvise(p, 1L << 40, MADV_REMOVE), msync(p, 1L << 40, MS_SYNC), munmap(p, 1L << 40); return 0) \
    LOOSE(sparse_fork, char *p = mmap(NULL, 1L << 44, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); if (p != MAP_FAILED) { for (int i = 0; i < 64; i++) p[(long)i << 38] = 1; CHILD(_exit(0)); mprotect(p, 1L << 44, PROT_READ); munmap(p, 1L << 44); } return 0) \
    LOOSE(maps_of_tera, char *p = mmap(NULL, 1L << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); char b[4096]; for (int i = 0; i < 3; i++) { int f = open(i == 0 ? "/proc/self/smaps" : i == 1 ? "/proc/self/pagemap" : "/proc/self/statm", O_RDONLY); while (read(f, b, sizeof b) > 0 && i != 1) {} } return 0) \
    STRICT(mremap_huge, return (long)mremap(page(), PAGE, 1L << 47, MREMAP_MAYMOVE)) \
    STRICT(mremap_wraps, return (long)mremap(page(), PAGE, -1L, MREMAP_MAYMOVE)) \
    STRICT(brk_huge, return brk((void *)0x7ffffffff000)) \
    STRICT(ftruncate_max, return ftruncate(file(), BIG)) \
    STRICT(ftruncate_minus, return ftruncate(file(), -1)) \
    STRICT(pwrite_at_max, return pwrite(file(), "x", 1, BIG)) \
    STRICT(pwrite_over_max, return pwrite(file(), "xy", 2, BIG - 1) == 1 ? 0 : -1) \
    STRICT(pread_at_max, char c; int f = file(); return pread(f, &c, 1, BIG)) \
    STRICT(lseek_over, int f = file(); lseek(f, BIG, SEEK_SET); return lseek(f, 1, SEEK_CUR)) \
    STRICT(lseek_end_over, int f = file(); write(f, "x", 1); return lseek(f, BIG, SEEK_END)) \
    STRICT(seek_hole_in_tera, int f = file(); ftruncate(f, 1L << 40); return lseek(f, 0, SEEK_DATA)) \
    LOOSE(read_sparse, int f = file(); ftruncate(f, 1L << 40); static char b[1 << 20]; for (int i = 0; i < 50; i++) pread(f, b, sizeof b, (long)i << 33); return 0) \
    LOOSE(fallocate_tera, return fallocate(file(), 0, 0, 1L << 40)) \
    LOOSE(fallocate_max, return fallocate(file(), 0, 0, BIG)) \
    STRICT(fallocate_wraps, return fallocate(file(), 0, BIG, BIG)) \
    STRICT(fallocate_minus, return fallocate(file(), 0, -1, 1)) \
    LOOSE(punch_all, int f = file(); ftruncate(f, 1L << 42); return fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BIG)) \
    LOOSE(zero_range, int f = file(); return fallocate(f, FALLOC_FL_ZERO_RANGE, 0, 1L << 41)) \
    LOOSE(memfd_tera, int f = memfd_create("m", 0); ftruncate(f, BIG); char *p = mmap(NULL, 1L << 40, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0x7ffff00000000000); if (p != MAP_FAILED) p[0] = 1, p[(1L << 40) - 1] = 1; return 0) \
    LOOSE(copy_range_max, int f = file(); int g = open("other", O_RDWR | O_CREAT, 0600); ftruncate(f, 1L << 34); return copy_file_range(f, NULL, g, NULL, 1L << 26, 0)) \
    LOOSE(sendfile_max, int f = file(); ftruncate(f, 1L << 40); return sendfile(open("/dev/null", O_WRONLY), f, NULL, 1L << 28)) \
    LOOSE(dev_zero_read, static char b[1 << 26]; return read(open("/dev/zero", O_RDONLY), b, sizeof b)) \
    LOOSE(getrandom_much, static char b[1 << 24]; return getrandom(b, sizeof b, 0)) \
    STRICT(dup2_far, return dup2(0, 0x7fffffff)) \
    LOOSE(dup2_far_allowed, files(1L << 30); return dup2(0, (1 << 30) - 1)) \
    LOOSE(dupfd_far, files(1L << 20); return fcntl(0, F_DUPFD, (1 << 20) - 1)) \
    STRICT(nofile_huge, struct rlimit l = {BIG, BIG}; return setrlimit(RLIMIT_NOFILE, &l)) \
    STRICT(poll_many, return poll((void *)page(), 1L << 40, 0)) \
    STRICT(poll_minus, return syscall(SYS_poll, page(), -1L, 0)) \
    LOOSE(select_many, return syscall(SYS_select, 0x7fffffff, page(), 0, 0, (long[]){0, 0})) \
    STRICT(select_minus, return syscall(SYS_select, -1, 0, 0, 0, (long[]){0, 0})) \
    STRICT(epoll_many, return epoll_wait(epoll_create1(0), (void *)page(), 0x7fffffff, 0)) \
    STRICT(readv_many, return syscall(SYS_readv, 0, page(), 0x7fffffff)) \
    STRICT(readv_sum, struct iovec v[2] = {{page(), BIG}, {page(), BIG}}; return readv(open("/dev/zero", O_RDONLY), v, 2) > 0 ? 0 : -1) \
    STRICT(setgroups_many, return syscall(SYS_setgroups, 0x7fffffff, page())) \
    STRICT(setgroups_minus, return syscall(SYS_setgroups, -1, page())) \
    STRICT(getgroups_minus, return syscall(SYS_getgroups, -1, page())) \
    LOOSE(pipe_size_huge, int p[2]; pipe(p); return fcntl(p[0], F_SETPIPE_SZ, 0x7fffffff)) \
    LOOSE(pipe_size_max, int p[2]; pipe(p); return fcntl(p[0], F_SETPIPE_SZ, 1 << 30)) \
    STRICT(affinity_huge, return syscall(SYS_sched_getaffinity, 0, 0x7ffffff8, page()) > 0 ? 0 : -1) \
    STRICT(affinity_set_huge, return syscall(SYS_sched_setaffinity, 0, 0xffffffffu, page())) \
    STRICT(hostname_long, return sethostname(page(), 1 << 20)) \
    STRICT(hostname_minus, return syscall(SYS_sethostname, page(), -1)) \
    STRICT(setsockopt_long, return syscall(SYS_setsockopt, socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_RCVBUF, page(), 0x7fffffff)) \
    STRICT(rcvbuf_huge, int n = 0x7fffffff; int s = socket(AF_INET, SOCK_STREAM, 0); return setsockopt(s, SOL_SOCKET, SO_RCVBUF, &n, 4) | setsockopt(s, SOL_SOCKET, SO_SNDBUF, &n, 4)) \
    STRICT(rcvbuf_minus, int n = -1; int s = socket(AF_UNIX, SOCK_STREAM, 0); return setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &n, 4) | setsockopt(s, SOL_SOCKET, SO_SNDBUF, &n, 4)) \
    STRICT(listen_huge, int s = socket(AF_INET, SOCK_STREAM, 0); return listen(s, 0x7fffffff)) \
    STRICT(listen_minus, int s = socket(AF_INET, SOCK_STREAM, 0); return listen(s, -1)) \
    STRICT(udp_too_long, static char b[70000]; int s = socket(AF_INET, SOCK_DGRAM, 0); struct sockaddr_in a = {AF_INET, htons(9), {htonl(0x7f000001)}}; return sendto(s, b, sizeof b, 0, (void *)&a, sizeof a)) \
    STRICT(control_huge, struct msghdr m = {.msg_control = page(), .msg_controllen = BIG}; int p[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); return sendmsg(p[0], &m, 0)) \
    STRICT(control_len_lies, long c[8] = {BIG, 0x100000001}; struct msghdr m = {.msg_control = c, .msg_controllen = sizeof c}; int p[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); return sendmsg(p[0], &m, 0)) \
    STRICT(control_len_short, long c[8] = {3, 0x100000001}; struct msghdr m = {.msg_control = c, .msg_controllen = sizeof c}; int p[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); return sendmsg(p[0], &m, 0)) \
    STRICT(nanosleep_long, struct timespec t = {BIG, 999999999}; alarm(1); return nanosleep(&t, NULL)) \
    STRICT(clock_long, struct timespec t = {BIG, 0}; signal(SIGALRM, nothing); alarm(1); return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR ? 0 : -1) \
    STRICT(itimer_long, struct itimerval t = {{BIG, 999999}, {BIG, 999999}}; setitimer(ITIMER_REAL, &t, NULL); return getitimer(ITIMER_REAL, &t)) \
    STRICT(alarm_long, alarm(0xffffffff); alarm(5); return 0) \
    STRICT(poll_long, struct pollfd p = {-1}; alarm(1); return poll(&p, 1, 0x7fffffff)) \
    STRICT(utime_far, struct timespec t[2] = {{BIG, 0}, {-BIG, 0}}; return utimensat(AT_FDCWD, "extreme_none", t, 0)) \
    LOOSE(utime_far_set, file(); struct timespec t[2] = {{BIG, 0}, {-BIG, 0}}; struct stat s; return utimensat(AT_FDCWD, "extreme", t, 0) | stat("extreme", &s)) \
    STRICT(kill_min, return kill(0x80000000, SIGTERM)) \
    STRICT(kill_signal, return kill(getpid(), 0x7fffffff)) \
    STRICT(setpgid_minus, return setpgid(0, -5)) \
    STRICT(wait_min, return waitpid(0x80000000, NULL, 0)) \
    STRICT(priority_far, return setpriority(PRIO_PROCESS, 0, 0x7fffffff)) \
    STRICT(nice_minimum, return syscall(SYS_setpriority, 0, 0, 0x80000000)) \
    STRICT(deep_path, static char b[8000]; for (int i = 0; i < 7990; i += 2) memcpy(b + i, "./", 2); return open(b, O_RDONLY)) \
    LOOSE(deep_tree, for (int i = 0; i < 2000; i++) if (mkdir("d", 0700) || chdir("d")) break; char b[8192]; long r = syscall(SYS_getcwd, b, sizeof b); for (int i = 0; i < 2000; i++) if (chdir("..") || rmdir("d")) break; return r) \
    LOOSE(symlink_chain, char a[16], b[16]; for (int i = 0; i < 60; i++) snprintf(a, 16, "l%d", i), snprintf(b, 16, "l%d", i + 1), symlink(b, a); return open("l0", O_RDONLY)) \
    LOOSE(symlink_bomb, char b[4096]; b[0] = 0; for (int i = 0; i < 400; i++) strcat(b, "bomb/"); symlink(b, "bomb"); return open("bomb", O_RDONLY)) \
    LOOSE(epoll_chain, int before = epoll_create1(0); for (int i = 0; i < 200; i++) { int e = epoll_create1(0); struct epoll_event v = {EPOLLIN}; if (epoll_ctl(e, EPOLL_CTL_ADD, before, &v)) break; before = e; } struct epoll_event v; return epoll_wait(before, &v, 1, 0)) \
    LOOSE(epoll_fan, int last = epoll_create1(0); files(1024); for (int l = 0; l < 4; l++) { int n[20]; for (int i = 0; i < 20; i++) { n[i] = epoll_create1(0); struct epoll_event v = {EPOLLIN}; epoll_ctl(n[i], EPOLL_CTL_ADD, last, &v); } last = epoll_create1(0); for (int i = 0; i < 20; i++) { struct epoll_event v = {EPOLLIN}; epoll_ctl(last, EPOLL_CTL_ADD, n[i], &v); } } struct epoll_event v; return epoll_wait(last, &v, 1, 0)) \
    LOOSE(rights_chain, int before = -1; for (int i = 0; i < 300; i++) { int p[2]; if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p)) break; if (before >= 0) { char c[CMSG_SPACE(4)] = {0}; struct iovec v = {"x", 1}; struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c}; struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(4); memcpy(CMSG_DATA(h), &before, 4); sendmsg(p[0], &m, 0); close(before); } close(p[0]); before = p[1]; } close(before); return 0) \
    LOOSE(rights_cycle, for (int i = 0; i < 50; i++) { int p[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, p); char c[CMSG_SPACE(8)] = {0}; struct iovec v = {"x", 1}; struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c, .msg_controllen = sizeof c}; struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(8); memcpy(CMSG_DATA(h), p, 8); sendmsg(p[0], &m, 0); close(p[0]); close(p[1]); } return 0) \
    STRICT(script_of_scripts, for (int i = 0; i < 10; i++) { char n[16], t[64]; snprintf(n, 16, "s%d", i); snprintf(t, 64, "#!./s%d\n", i + 1); put_file(n, t); chmod(n, 0755); } return execl("./s0", "s0", NULL)) \
    STRICT(script_of_itself, put_file("self", "#!./self\n"); chmod("self", 0755); return execl("./self", "self", NULL)) \
    STRICT(args_too_many, static char *a[2000000]; for (int i = 0; i < 1999999; i++) a[i] = "x"; return execv("/bin/true", a)) \
    STRICT(arg_too_long, static char b[200000]; memset(b, 'x', sizeof b - 1); return execl("/bin/true", b, NULL)) \
    STRICT(args_endless, char *p = mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); static char *a[4000]; memset(p, 'x', 130000); for (int i = 0; i < 3999; i++) a[i] = p; return execv("/bin/true", a)) \
    LOOSE(clone_all_flags, return syscall(SYS_clone, -1L, 0, 0, 0, 0)) \
    LOOSE(locks_many, int f = file(); for (int i = 0; i < 3000; i++) { struct flock l = {F_WRLCK, SEEK_SET, i * 2L, 1}; if (fcntl(f, F_SETLK, &l)) return -1; } return 0) \
    STRICT(lock_wraps, int f = file(); struct flock l = {F_WRLCK, SEEK_SET, BIG, BIG}; return fcntl(f, F_SETLK, &l)) \
    STRICT(lock_negative, int f = file(); struct flock l = {F_WRLCK, SEEK_SET, 0, -1}; return fcntl(f, F_SETLK, &l)) \
    LOOSE(inotify_flood, int i = inotify_init1(IN_NONBLOCK); inotify_add_watch(i, ".", IN_ALL_EVENTS); for (int j = 0; j < 20000; j++) close(open("flood", O_RDWR | O_CREAT, 0600)); return 0) \
    LOOSE(xattr_many, file(); char n[32], v[1000] = ""; for (int i = 0; i < 2000; i++) { snprintf(n, 32, "user.n%d", i); if (setxattr("extreme", n, v, sizeof v, 0)) break; } return 0) \
    LOOSE(tmpfs_fill, int f = file(); static char b[1 << 20]; for (int i = 0; i < 4; i++) write(f, b, sizeof b); return 0) \
    LOOSE(proc_mem_far, int f = open("/proc/self/mem", O_RDWR); char c; return pread(f, &c, 1, BIG)) \
    STRICT(proc_mem_kernel, int f = open("/proc/self/mem", O_RDWR); char c; return pread(f, &c, 1, 0x7ffffffff000) < 0 ? -1 : 0) \
    LOOSE(proc_all, return system("for f in /proc/[a-z]* /proc/self/* /proc/sys/*/*; do [ -f $f ] && [ $f != /proc/kmsg ] && head -c 100000 $f; done >/dev/null 2>&1")) \
    LOOSE(proc_none, return 0)
static void nothing(int sig) {}
#define FUNCTION(name, ...) static long do_##name(void) { __VA_ARGS__; }
CASES(FUNCTION, FUNCTION)
int main(int argc, char **argv) {
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
#define STRICT_ROW(name, ...) if (argc < 2 || !strcmp(argv[1], #name)) run(#name, 1, do_##name);
#define LOOSE_ROW(name, ...) if (argc < 2 || !strcmp(argv[1], #name)) run(#name, 0, do_##name);
    CASES(STRICT_ROW, LOOSE_ROW)
    how("witness", CHILD(pid_t p = SPAWN(_exit(3)); _exit(reap(p) == 3 << 8 ? 0 : 1)));
    return 0;
}
