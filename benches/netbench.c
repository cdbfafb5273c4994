/* Both ends of the network measurements, on whatever kernel runs this program: `cargo xtask bench net` packs it into the guests and
 * runs it in dom0 too.
 *
 *   netbench serve                        the other end of all below; starts `iperf3 -s` beside it where there is one
 *   netbench bulk HOST SECONDS STREAMS    TCP to HOST              -> bytes a second that HOST has received
 *   netbench rr HOST SECONDS STREAMS      64 bytes there and back  -> exchanges a second, 50th and 99th percentile in us
 *   netbench connect HOST SECONDS STREAMS a connection for each exchange -> the same
 *   netbench udp HOST SECONDS BYTES       datagrams, as many as go -> datagrams a second: received, sent
 *   netbench idle HOST COUNT              opens so many connections, says so, and keeps them until standard input ends
 *   netbench ask HOST WORD...             has HOST run `netbench WORD...` (but serve, idle, ask), or `fio WORD...`, and shows what that
 *                                         says; `ask HOST free`: its free KiB
 *
 * HOST is an IPv4 address; behind a colon may be another port than that of this program.
 *
 * Ports: CONTROL takes a line and answers with lines; ECHO, SINK (which answers the end of the stream with the bytes it has got) and
 * UDP_SINK (which answers ASK with the datagrams since the last ASK). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONTROL = 5000, ECHO = 5007, SINK = 5009, UDP_SINK = 5011 };
enum { FDS = 4096, SAMPLES = 1 << 16, MOST_STREAMS = 64, BATCH = 32, MOST_WORDS = 40 };
#define ASK "how many?"
#define EXCHANGE 64

static int opened;

static void fail(const char *what) {
    printf("error %s: %s", what, strerror(errno));
    printf(opened ? ", %d connections are open\n" : "\n", opened);
    exit(1);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static struct sockaddr_in address(const char *host, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    char bytes[64] = "0.0.0.0", *colon;
    if (host) snprintf(bytes, sizeof bytes, "%s", host);
    if ((colon = strchr(bytes, ':'))) {
        port = atoi(colon + 1);
        *colon = 0;
    }
    to.sin_port = htons(port);
    if (inet_pton(AF_INET, bytes, &to.sin_addr) != 1) {
        errno = EINVAL;
        fail(bytes);
    }
    return to;
}

static int connected(const char *host, int port) {
    struct sockaddr_in to = address(host, port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct timeval limit = {10, 0};
    /* Of connecting too. */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static int bound(int type, int port) {
    struct sockaddr_in at = address(NULL, port);
    int fd = socket(AF_INET, type, 0), on = 1;
    if (fd < 0) fail("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) fail("bind");
    if (type == SOCK_STREAM && listen(fd, 1024) < 0) fail("listen");
    return fd;
}

/* The loads. */

static const char *host;
static long long deadline;
static int reconnects;
static long long moved[MOST_STREAMS];

static void *bulk_stream(void *number) {
    static char zeros[128 * 1024];
    char answer[32] = "";
    int fd = connected(host, SINK), length = 0;
    while (now() < deadline)
        if (write(fd, zeros, sizeof zeros) <= 0) break;
    shutdown(fd, SHUT_WR);
    for (ssize_t got; length < 31 && (got = read(fd, answer + length, 31 - length)) > 0;) length += got;
    close(fd);
    moved[(long)number] = atoll(answer);
    return NULL;
}

/* A server needs none of this. */
static struct times { uint32_t us[SAMPLES]; int count; } *times;

static void *exchange_stream(void *number) {
    char bytes[EXCHANGE] = {1};
    long self = (long)number;
    int fd = reconnects ? -1 : connected(host, ECHO);
    for (long long start; (start = now()) < deadline; moved[self]++) {
        if (reconnects) fd = connected(host, ECHO);
        if (write(fd, bytes, EXCHANGE) != EXCHANGE) fail("write");
        for (int got = 0, more; got < EXCHANGE; got += more)
            if ((more = read(fd, bytes, EXCHANGE - got)) <= 0) fail("read");
        if (reconnects) close(fd);
        times[self].us[times[self].count++ % SAMPLES] = (now() - start) / 1000;
    }
    return NULL;
}

static double streams(void *(*work)(void *), int count, const char *seconds) {
    pthread_t threads[MOST_STREAMS];
    long long start = now(), sum = 0;
    if (count < 1 || count > MOST_STREAMS) count = 1;
    deadline = start + atof(seconds) * 1e9;
    for (long number = 0; number < count; number++)
        if (pthread_create(&threads[number], NULL, work, (void *)number)) fail("pthread_create");
    for (int number = 0; number < count; number++) {
        pthread_join(threads[number], NULL);
        sum += moved[number];
    }
    return sum * 1e9 / (now() - start);
}

static int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return a < b ? -1 : a > b;
}

static void exchanges(int count, const char *seconds) {
    if (!(times = calloc(MOST_STREAMS, sizeof *times))) fail("calloc");
    double rate = streams(exchange_stream, count, seconds);
    uint32_t *all = malloc(sizeof times[0].us * MOST_STREAMS);
    int length = 0;
    for (int number = 0; number < MOST_STREAMS; number++)
        for (int at = 0; at < times[number].count && at < SAMPLES; at++) all[length++] = times[number].us[at];
    if (!length) fail("nothing came back");
    qsort(all, length, sizeof *all, by_size);
    printf("%.1f %u %u\n", rate, all[length / 2], all[length - 1 - length / 100]);
}

static void udp(const char *seconds, size_t bytes) {
    static char data[1472];
    struct sockaddr_in to = address(host, UDP_SINK);
    struct iovec part = {data, bytes <= sizeof data ? bytes : sizeof data};
    struct mmsghdr batch[BATCH];
    long long start = now(), sent = 0, end = start + atof(seconds) * 1e9;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("socket");
    memset(batch, 0, sizeof batch);
    for (int at = 0; at < BATCH; at++) batch[at].msg_hdr = (struct msghdr){.msg_iov = &part, .msg_iovlen = 1};
    while (now() < end) {
        int done = sendmmsg(fd, batch, BATCH, 0);
        if (done < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED) fail("sendmmsg");
        if (done > 0) sent += done;
    }
    double elapsed = (now() - start) / 1e9;
    char answer[32];
    for (int tries = 0; tries < 20; tries++) {
        struct pollfd wait = {fd, POLLIN, 0};
        usleep(100000);
        if (write(fd, ASK, strlen(ASK)) < 0 || poll(&wait, 1, 200) <= 0) continue;
        ssize_t got = recv(fd, answer, sizeof answer - 1, 0);
        if (got <= 0) continue;
        answer[got] = 0;
        printf("%.1f %.1f\n", atoll(answer) / elapsed, sent / elapsed);
        return;
    }
    fail("no answer");
}

static void idle(int count) {
    char bytes[EXCHANGE] = {1};
    for (int number = 0; number < count; number++) {
        int fd = connected(host, ECHO);
        if (write(fd, bytes, 1) != 1 || read(fd, bytes, 1) != 1) fail("an exchange of one byte");
        opened++;
    }
    printf("open\n");
    fflush(stdout);
    while (read(0, bytes, sizeof bytes) > 0) {}
}

/* Relays the answer of a guest to the words of a load. */
static void ask(char **words) {
    char buffer[4096];
    int fd = connected(host, CONTROL);
    ssize_t got;
    for (; *words; words++) dprintf(fd, "%s ", *words);
    dprintf(fd, "\n");
    while ((got = read(fd, buffer, sizeof buffer)) > 0) fwrite(buffer, 1, got, stdout);
}

static void free_memory(void) {
    char line[128], *found = NULL;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemFree: %ms", &found) == 1) break;
    printf("%s\n", found ? found : "error no MemFree");
}

/* The server. */

static char kinds[FDS];
static long long counts[FDS], datagrams;

static void control(int fd, int main(int, char **)) {
    char line[1024], *words[MOST_WORDS] = {"netbench"};
    int length = 0, count = 1, room = sizeof line - 1;
    for (ssize_t got; length < room && (got = read(fd, line + length, room - length)) > 0 && !memchr(line, '\n', length += got);) {}
    line[length] = 0;
    for (char *word = strtok(line, " \n"); word && count < MOST_WORDS - 1; word = strtok(NULL, " \n")) words[count++] = word;
    dup2(fd, 1);
    if (count > 1 && !strcmp(words[1], "fio")) {
        signal(SIGCHLD, SIG_DFL);
        execvp("fio", words + 1);
        fail("fio");
    }
    if (count > 1 && strcmp(words[1], "serve")) main(count, words);
    fflush(stdout);
    exit(0);
}

static void counted_datagrams(int fd) {
    static char data[BATCH][2048];
    static struct iovec parts[BATCH];
    static struct sockaddr_in from[BATCH];
    struct mmsghdr batch[BATCH];
    memset(batch, 0, sizeof batch);
    for (int at = 0; at < BATCH; at++) {
        parts[at] = (struct iovec){data[at], sizeof data[at]};
        batch[at].msg_hdr = (struct msghdr){.msg_iov = &parts[at], .msg_iovlen = 1, .msg_name = &from[at], .msg_namelen = sizeof from[at]};
    }
    int got = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);
    for (int at = 0; at < got; at++) {
        if (batch[at].msg_len != strlen(ASK) || memcmp(data[at], ASK, strlen(ASK))) {
            datagrams++;
            continue;
        }
        char answer[32];
        int length = snprintf(answer, sizeof answer, "%lld", datagrams);
        datagrams = 0;
        sendto(fd, answer, length, 0, (struct sockaddr *)&from[at], sizeof from[at]);
    }
}

static void stream(int fd) {
    static char buffer[128 * 1024];
    ssize_t got = read(fd, buffer, kinds[fd] == 'e' ? 4096 : sizeof buffer);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got > 0 && kinds[fd] == 's') {
        counts[fd] += got;
        return;
    }
    if (got > 0 && write(fd, buffer, got) == got) return;
    if (got == 0 && kinds[fd] == 's') dprintf(fd, "%lld\n", counts[fd]);
    close(fd);
}

static void serve(int main(int, char **)) {
    static const struct { int type, port; char kind; } ports[] = {
        {SOCK_STREAM, CONTROL, 'C'}, {SOCK_STREAM, ECHO, 'E'}, {SOCK_STREAM, SINK, 'S'}, {SOCK_DGRAM, UDP_SINK, 'U'}};
    struct rlimit limit = {FDS, FDS};
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    if (!access("/usr/bin/iperf3", X_OK) && !fork()) {
        execl("/usr/bin/iperf3", "iperf3", "-s", NULL);
        exit(127);
    }
    int queue = epoll_create1(0), on = 1;
    struct epoll_event event = {.events = EPOLLIN}, ready[64];
    for (size_t at = 0; at < sizeof ports / sizeof *ports; at++) {
        int fd = event.data.fd = bound(ports[at].type, ports[at].port);
        kinds[fd] = ports[at].kind;
        if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
    }
    printf("netbench: serving\n");
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(queue, ready, 64, -1);
        for (int at = 0; at < count; at++) {
            int fd = ready[at].data.fd;
            if (kinds[fd] == 'U') {
                counted_datagrams(fd);
                continue;
            }
            if (kinds[fd] >= 'a') {
                stream(fd);
                continue;
            }
            int new = accept(fd, NULL, NULL);
            if (new < 0) continue;
            if (new >= FDS || (kinds[fd] == 'C' && !fork())) control(new, main);
            if (kinds[fd] == 'C') {
                close(new);
                continue;
            }
            kinds[new] = kinds[fd] + 'a' - 'A';
            counts[new] = 0;
            setsockopt(new, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            event.data.fd = new;
            epoll_ctl(queue, EPOLL_CTL_ADD, new, &event);
        }
    }
}

int main(int count, char **words) {
    const char *mode = count > 1 ? words[1] : "";
    struct rlimit limit = {FDS, FDS};
    setrlimit(RLIMIT_NOFILE, &limit);
    host = count > 2 ? words[2] : NULL;
    if (!strcmp(mode, "serve")) serve(main);
    else if (!strcmp(mode, "free")) free_memory();
    else if (!strcmp(mode, "bulk") && count == 5) printf("%.0f\n", streams(bulk_stream, atoi(words[4]), words[3]));
    else if (!strcmp(mode, "rr") && count == 5) exchanges(atoi(words[4]), words[3]);
    else if (!strcmp(mode, "connect") && count == 5) reconnects = 1, exchanges(atoi(words[4]), words[3]);
    else if (!strcmp(mode, "udp") && count == 5) udp(words[3], atoi(words[4]));
    else if (!strcmp(mode, "idle") && count == 4) idle(atoi(words[3]));
    else if (!strcmp(mode, "ask") && count > 3) ask(words + 3);
    else printf("error: see the top of netbench.c for what there is\n");
    return 0;
}
