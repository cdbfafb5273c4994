// Many pipes and sockets filled to the brim and left so.
#include "witness.h"
int main(void) {
    start_witness();
    how("filler", CHILD(
        static char block[65536];
        int made = 0, p[2];
        for (; made < 60; made++) {
            if (made % 3 == 2 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) : pipe2(p, O_NONBLOCK)) break;
            while (write(p[1], block, sizeof block) > 0) {}
            if (errno != EAGAIN && errno != ENOMEM && errno != ENOBUFS) printf("odd: %s\n", name_of(errno));
        }
        printf("made enough: %d\n", made >= 20)));
    ask_witness();
    how("again", CHILD(int p[2]; pipe(p); _exit(write(p[1], "x", 1) == 1 ? 0 : 1)));
    end_witness();
    return 0;
}
