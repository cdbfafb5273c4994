/* A memory hog without a limit: the kernel ends it with SIGKILL, or refuses it memory; nothing else dies, and the memory
 * comes back. With no guest of its own to fill (CONFORMANCE_GUEST is not set) the hog only plays the part. */
#include "witness.h"
int main(void) {
    start_witness();
    int real = getenv("CONFORMANCE_GUEST") != NULL;
    for (int round = 0; round < 2; round++) {
        int status = CHILD(
            for (long n = 0;; n++) {
                char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (p == MAP_FAILED || (!real && n == 32)) raise(SIGKILL);
                for (int i = 0; i < 1 << 20; i += 4096) p[i] = n;
            });
        how("hog", status);
        ask_witness();
    }
    end_witness();
    return 0;
}
