/* Every system call that takes a pointer, with every pointer that is none: one line per call and argument,
 *
 *     read[1]: NULL=EFAULT kernel=EFAULT ... huge=ok
 *
 * A call is described by a letter for each argument; the letters in VARIED are given each bad value in turn, the others
 * are good. Calls run as an unprivileged user in children: what they break is the child's. */
#include "../c/net.h"
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

/* s path, b buffer or struct, k length of a socket name, v iovec, m msghdr;
 * i as b, where a struct of zeros is not answered alike everywhere: not tried read-only;
 * V N O C: the pointer inside an iovec, or the msghdr's iovec, name, control. */
#define VARIED "sbikvmVNOC"

struct call { const char *name; int number; const char *arguments; };
#define X(name, arguments) {#name, SYS_##name, arguments}
static const struct call calls[] = {
    X(read, "Fbl"), X(write, "Fbl"), X(open, "s00"), X(stat, "sb"), X(fstat, "Fb"), X(lstat, "sb"), X(poll, "b10"),
    X(mprotect, "bn1"), X(munmap, "bn"), X(rt_sigaction, "gbb8"), X(rt_sigprocmask, "0bb8"), X(ioctl, "Rqb"),
    X(pread64, "Fbl0"), X(pwrite64, "Fbl0"), X(readv, "Fv1"), X(readv, "FV1"), X(writev, "Fv1"), X(writev, "FV1"),
    X(access, "s0"), X(pipe, "b"), X(select, "1bbbb"), X(mremap, "bnn0"), X(msync, "bn4"), X(mincore, "bnb"), X(madvise, "bn0"),
    X(nanosleep, "bb"), X(getitimer, "1b"), X(setitimer, "1bb"), X(connect, "Kbe"), X(accept, "Lbk"), X(sendto, "Ubl000"),
    X(sendto, "Khl0be"), X(recvfrom, "Kblw00"), X(recvfrom, "Khlwbk"), X(sendmsg, "Um0"), X(sendmsg, "UN0"),
    X(sendmsg, "KO0"), X(sendmsg, "UC0"), X(recvmsg, "Kmw"), X(recvmsg, "KNw"), X(recvmsg, "KOw"), X(recvmsg, "KCw"), X(bind, "Bbe"),
    X(getsockname, "Kbk"), X(getpeername, "Kbk"), X(socketpair, "110b"), X(setsockopt, "K19b4"), X(getsockopt, "K19bk"),
    X(execve, "s00"), X(execve, "Tb0"), X(execve, "T0b"), X(wait4, "Zb1b"), X(uname, "b"), X(truncate, "s0"),
    X(getdents, "Dbl"), X(getcwd, "bl"), X(chdir, "s"), X(rename, "ss"), X(mkdir, "s0"), X(rmdir, "s"), X(creat, "s0"),
    X(link, "ss"), X(unlink, "s"), X(symlink, "ss"), X(readlink, "sbl"), X(readlink, "Ybl"), X(chmod, "s0"), X(chown, "s00"), X(lchown, "s00"),
    X(gettimeofday, "bb"), X(getrlimit, "7b"), X(getrusage, "0b"), X(sysinfo, "b"), X(times, "b"), X(getgroups, "lb"),
    X(setgroups, "1b"), X(getresuid, "bbb"), X(getresgid, "bbb"), X(capget, "bb"), X(capset, "bb"), X(rt_sigpending, "b8"),
    X(rt_sigtimedwait, "bbb8"), X(rt_sigqueueinfo, "tgb"), X(rt_sigsuspend, "b8"), X(sigaltstack, "i0"), X(sigaltstack, "0b"), X(utime, "sb"),
    X(mknod, "s00"), X(statfs, "sb"), X(fstatfs, "Fb"), X(sched_setparam, "0b"), X(sched_getparam, "0b"),
    X(sched_setscheduler, "00b"), X(sched_rr_get_interval, "0b"), X(mlock, "bn"), X(munlock, "bn"), X(pivot_root, "ss"),
    X(prctl, "fb"), X(prctl, "eb"), X(prctl, "2b"), X(arch_prctl, "yb"), X(adjtimex, "b"), X(setrlimit, "7b"), X(chroot, "s"),
    X(settimeofday, "bb"), X(mount, "sss0b"), X(umount2, "s0"), X(sethostname, "bl"), X(setdomainname, "bl"),
    X(setxattr, "ssbl0"), X(lsetxattr, "ssbl0"), X(fsetxattr, "Fsbl0"), X(getxattr, "ssbl"), X(lgetxattr, "ssbl"),
    X(fgetxattr, "Fsbl"), X(listxattr, "sbl"), X(llistxattr, "sbl"), X(flistxattr, "Fbl"), X(removexattr, "ss"),
    X(lremovexattr, "ss"), X(fremovexattr, "Fs"), X(time, "b"), X(futex, "b01000"), X(futex, "b11000"), X(futex, "b00b00"),
    X(sched_setaffinity, "08b"), X(sched_getaffinity, "0nb"), X(getdents64, "Dbl"), X(set_tid_address, "b"),
    X(timer_create, "1bb"), X(timer_settime, "00bb"), X(timer_gettime, "0b"), X(clock_settime, "0b"), X(clock_gettime, "1b"),
    X(clock_getres, "1b"), X(clock_nanosleep, "10bb"), X(epoll_wait, "Eb10"), X(epoll_ctl, "E1Rb"), X(utimes, "sb"),
    X(waitid, "1Zb4b"), X(inotify_add_watch, "Is2"), X(openat, "As0"), X(mkdirat, "As0"), X(mknodat, "As00"),
    X(fchownat, "As000"), X(futimesat, "Asb"), X(newfstatat, "Asb0"), X(unlinkat, "As0"), X(renameat, "AsAs"),
    X(linkat, "AsAs0"), X(symlinkat, "sAs"), X(readlinkat, "Asbl"), X(fchmodat, "As0"), X(faccessat, "As0"),
    X(pselect6, "1bbbbb"), X(ppoll, "b1bb8"), X(set_robust_list, "bx"), X(get_robust_list, "0bb"), X(splice, "FbW0l0"),
    X(vmsplice, "Wv10"), X(vmsplice, "WV10"), X(utimensat, "Asb0"), X(epoll_pwait, "Eb10b8"), X(signalfd, "jb8"),
    X(timerfd_settime, "M0bb"), X(timerfd_gettime, "Mb"), X(accept4, "Lbk0"), X(signalfd4, "jb80"), X(pipe2, "b0"),
    X(preadv, "Fv10"), X(preadv, "FV10"), X(pwritev, "Fv10"), X(pwritev, "FV10"), X(rt_tgsigqueueinfo, "ttgb"),
    X(recvmmsg, "Kb1wb"), X(sendmmsg, "Kb10"), X(prlimit64, "07bb"), X(getcpu, "bb0"), X(process_vm_readv, "tv1v10"),
    X(process_vm_writev, "tv1v10"), X(sched_setattr, "0b0"), X(sched_getattr, "0bl0"), X(renameat2, "AsAs0"),
    X(getrandom, "bl0"), X(memfd_create, "s0"), X(execveat, "As000"), X(copy_file_range, "FbGbl0"), X(sendfile, "WFbl"),
    X(preadv2, "Fv1000"), X(pwritev2, "Fv1000"), X(statx, "As00b"), X(pidfd_send_signal, "jgb0"), X(clone3, "bo"),
    X(openat2, "Asbx"), X(faccessat2, "As00"), X(epoll_pwait2, "Eb1bb8"), X(get_mempolicy, "bb000"), X(quotactl, "0s0b"),
    X(syslog, "3bl"), X(ustat, "0b"), X(acct, "s"),
};

enum { NONE, KERNEL, TEXT, XEN, NONCANON, UNMAPPED, READONLY, STRADDLE, VALUES, HUGE_LENGTH = VALUES };
static const char *const value_names[] = {"NULL", "kernel", "text", "xen", "noncanon", "unmapped", "readonly", "straddle", "huge"};
static char *good, *unmapped, *readonly, *straddle;
static char (*results)[VALUES + 1][24];

static unsigned long bad(int value) {
    switch (value) {
    case KERNEL: return 0xffff880000001000;
    case TEXT: return 0xffffffff80000000;
    case XEN: return 0xffff830000000000;
    case NONCANON: return 0x0000800000001000;
    case UNMAPPED: return (unsigned long)unmapped;
    case READONLY: return (unsigned long)readonly;
    case STRADDLE: return (unsigned long)straddle;
    default: return 0;
    }
}

static void make_pages(void) {
    char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 1; i < 16; i += 2) munmap(p + i * PAGE, PAGE);
    good = p, readonly = p + 4 * PAGE, straddle = p + 7 * PAGE - 3, unmapped = p + 9 * PAGE;
    memset(straddle, 'x', 3);
    mprotect(readonly, PAGE, PROT_READ);
}

static int udp(void) {
    int k = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = local4(0);
    socklen_t n = sizeof a;
    bind(k, (sa)&a, sizeof a);
    getsockname(k, (sa)&a, &n);
    connect(k, (sa)&a, sizeof a);
    send(k, "datagram", 8, 0);
    return k;
}

static struct iovec vector;
static struct msghdr message;
static socklen_t length;

/* The good value of a letter, made afresh; or the bad one. */
static unsigned long argument(char letter, unsigned long pointer, int varied) {
    static char file[] = "file", program[] = "/bin/true";
    static int pair[2];
    switch (letter) {
    case 's': return varied ? pointer : (unsigned long)file;
    case 'i':
    case 'b': return varied ? pointer : (unsigned long)good;
    case 'k': return varied ? pointer : (unsigned long)&length;
    case 'v': return varied ? pointer : (unsigned long)&vector;
    case 'm': return varied ? pointer : (unsigned long)&message;
    case 'V': if (varied) vector.iov_base = (void *)pointer; return (unsigned long)&vector;
    case 'N': if (varied) message.msg_iov = (void *)pointer; return (unsigned long)&message;
    case 'O': if (varied) message.msg_name = (void *)pointer; message.msg_namelen = 16; return (unsigned long)&message;
    case 'C': if (varied) message.msg_control = (void *)pointer; message.msg_controllen = 64; return (unsigned long)&message;
    case 'h': return (unsigned long)good;
    case 'Y': return (unsigned long)"/proc/self/exe";
    case 'T': return (unsigned long)program;
    case 'F': { int fd = open("file", O_RDWR); return fd; }
    case 'G': return open("other", O_RDWR | O_CREAT, 0600);
    case 'D': return open(".", O_RDONLY);
    case 'A': return AT_FDCWD;
    case 'K': return udp();
    case 'B': return socket(AF_INET, SOCK_DGRAM, 0);
    case 'L': { int l = listen4(); connect4(port_of(l)); return l; }
    case 'U': socketpair(AF_UNIX, SOCK_STREAM, 0, pair); write(pair[1], "queued", 6); return pair[0];
    case 'R': pipe(pair); write(pair[1], "piped", 5); return pair[0];
    case 'W': pipe(pair); return pair[1];
    case 'E': { int e = epoll_create1(0); epoll_ctl(e, EPOLL_CTL_ADD, udp(), &(struct epoll_event){EPOLLIN}); return e; }
    case 'I': return inotify_init();
    case 'M': return timerfd_create(CLOCK_MONOTONIC, 0);
    case 'Z': { pid_t p = fork(); if (p == 0) _exit(0); siginfo_t i; waitid(P_PID, p, &i, WEXITED | WNOWAIT); return p; }
    case 'l': return 64;
    case 'n': return PAGE;
    case 'e': return 16;
    case 'f': return 15;
    case 'g': return SIGUSR1;
    case 'w': return MSG_DONTWAIT;
    case 't': return getpid();
    case 'q': return 0x541b; /* FIONREAD */
    case 'y': return 0x1003; /* ARCH_GET_FS */
    case 'x': return 24;
    case 'o': return 88;
    case 'j': return -1;
    default: return letter - '0';
    }
}

static void one(const struct call *call, int position, int value, char *into) {
    unsigned long a[6] = {0};
    vector = (struct iovec){good, 64};
    message = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    length = 16;
    for (int i = 0; call->arguments[i]; i++) {
        char letter = call->arguments[i];
        a[i] = argument(letter, bad(value), value < VALUES && i == position);
        if (value == HUGE_LENGTH && letter == 'l') a[i] = 0x7fffffffffffffff;
    }
    struct itimerval t = {{0, 0}, {0, 150000}};
    setitimer(ITIMER_REAL, &t, NULL);
    errno = 0;
    pid_t self = getpid();
    long r = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (getpid() != self) _exit(0); /* a clone that worked */
    snprintf(into, 24, "%s", r == -1 ? name_of(errno) : "ok");
}

/* All values for one argument, in one child as long as it lives. */
static void all(const struct call *call, int position, int first, int last, char (*into)[24]) {
    for (int value = first; value <= last;) {
        for (int i = value; i <= last; i++) into[i][0] = 0;
        pid_t pid = fork();
        if (pid == 0) {
            setgroups(1, (gid_t[]){65534});
            setresgid(65534, 65534, 65534);
            setresuid(65534, 65534, 65534);
            signal(SIGUSR1, SIG_IGN);
            make_pages();
            for (int i = value; i <= last; i++)
                if (i == READONLY && call->arguments[position] == 'i') strcpy(into[i], "-");
                else one(call, position, i, into[i]);
            _exit(0);
        }
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, 0) < 0) { printf("cannot fork: %s\n", name_of(errno)); exit(1); }
        while (value <= last && into[value][0]) value++;
        if (value <= last) {
            if (WIFSIGNALED(status)) snprintf(into[value], 24, WTERMSIG(status) == SIGALRM ? "waits" : "SIG%s", signame(WTERMSIG(status)));
            else snprintf(into[value], 24, "exit%d", WEXITSTATUS(status));
            value++;
        }
    }
}

int main(int argc, char **argv) {
    chmod(".", 0777);
    int fd = open("file", O_RDWR | O_CREAT, 0644);
    fchmod(fd, 0666);
    char block[256];
    memset(block, 'f', sizeof block);
    write(fd, block, sizeof block);
    close(fd);
    results = mmap(NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int count = 0;
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        const struct call *call = &calls[c];
        if (argc > 1 && strcmp(call->name, argv[1])) continue;
        int lengths = strchr(call->arguments, 'l') != NULL, told = 0;
        for (int i = 0; call->arguments[i]; i++) {
            if (!strchr(VARIED, call->arguments[i])) continue;
            int last = lengths && !told ? HUGE_LENGTH : STRADDLE;
            told = 1;
            all(call, i, 0, last, *results);
            printf("%s.%s[%d]:", call->name, call->arguments, i);
            for (int v = 0; v <= last; v++) printf(" %s=%s", value_names[v], (*results)[v]), count++;
            printf("\n");
        }
    }
    how("witness", CHILD(_exit(open("file", O_RDONLY) >= 0 || errno == ENOENT ? 0 : 1)));
    printf("cases: %d\n", count);
    return 0;
}
