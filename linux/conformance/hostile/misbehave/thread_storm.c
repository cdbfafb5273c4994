// As many threads as there can be, again and again; all end.
#include "witness.h"
static volatile int stop;
static void *wait_(void *arg) {
    while (!stop) pause_ms(5);
    return NULL;
}
int main(void) {
    start_witness();
    for (int round = 0; round < 3; round++)
        how("storm", CHILD(
            static pthread_t t[500];
            pthread_attr_t a;
            pthread_attr_init(&a);
            pthread_attr_setstacksize(&a, 16384);
            int n = 0;
            while (n < 500 && pthread_create(&t[n], &a, wait_, NULL) == 0) n++;
            printf("enough threads: %d\n", n >= 50);
            if (round == 2) _exit(7);
            stop = 1;
            for (int i = 0; i < n; i++) pthread_join(t[i], NULL)));
    ask_witness();
    end_witness();
    return 0;
}
