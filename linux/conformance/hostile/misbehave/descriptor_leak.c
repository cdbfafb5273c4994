// Descriptors leaked up to the limit, of every kind, in several processes at once; all come back.
#include "witness.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
int main(void) {
    start_witness();
    struct rlimit l = {1024, 1024};
    setrlimit(RLIMIT_NOFILE, &l);
    for (int round = 0; round < 3; round++) {
        pid_t pid[4];
        for (int i = 0; i < 4; i++) pid[i] = SPAWN(
            int p[2]; int fd = 0;
            for (int n = 0; fd >= 0; n++) switch ((n + i) % 7) {
                case 0: fd = open("leak", O_RDWR | O_CREAT, 0600); break;
                case 1: fd = pipe(p); break;
                case 2: fd = socket(AF_INET, SOCK_STREAM, 0); break;
                case 3: fd = socketpair(AF_UNIX, SOCK_STREAM, 0, p); break;
                case 4: fd = epoll_create1(0); break;
                case 5: fd = eventfd(0, 0); break;
                case 6: fd = timerfd_create(CLOCK_MONOTONIC, 0); break;
            }
            _exit(errno == EMFILE ? 3 : errno));
        for (int i = 0; i < 4; i++) how("leaker", reap(pid[i]));
    }
    ask_witness();
    end_witness();
    return 0;
}
