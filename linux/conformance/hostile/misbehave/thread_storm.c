// As many threads as there can be, again and again; all end.
#include "witness.h"
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *wait_(void *arg) {
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
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
            pthread_mutex_lock(&gate);
            while (n < 500 && pthread_create(&t[n], &a, wait_, NULL) == 0) n++;
            printf("enough threads: %d\n", n >= 50);
            if (round == 2) _exit(7);
            pthread_mutex_unlock(&gate);
            for (int i = 0; i < n; i++) pthread_join(t[i], NULL)));
    ask_witness();
    end_witness();
    return 0;
}
