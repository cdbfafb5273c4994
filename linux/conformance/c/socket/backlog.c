// static. Connections made before accept wait with their data; the listener's readiness; many at once in order.
#include "net.h"
int main(void) {
    int l = listen4(), port = port_of(l), c[5];
    struct pollfd p = {l, POLLIN};
    CALL(poll(&p, 1, 0));
    for (int i = 0; i < 5; i++) {
        c[i] = connect4(port);
        dprintf(c[i], "client %d", i);
    }
    close(c[3]);
    CALL(poll(&p, 1, 3000));
    for (int i = 0; i < 5; i++) {
        char t[20] = "";
        int s = accept(l, NULL, NULL);
        readable(s);
        read(s, t, sizeof t);
        printf("%s\n", t);
        close(s);
    }
    CALL(poll(&p, 1, 0));
    int sum = 0;
    pid_t pid = SPAWN(for (int i = 0; i < 200; i++) { int d = connect4(port); write(d, "x", 1); read(d, &(char){0}, 1); close(d); });
    for (int i = 0; i < 200; i++) {
        int s = accept(l, NULL, NULL);
        char x;
        sum += read(s, &x, 1);
        write(s, "y", 1);
        close(s);
    }
    how("client", reap(pid));
    printf("sum %d\n", sum);
    return 0;
}
