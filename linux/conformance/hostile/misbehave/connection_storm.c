// Connections opened and dropped without a word, half-open, unaccepted, from several processes.
#include "witness.h"
#include "../../c/net.h"
int main(void) {
    start_witness();
    int l = listen4(), port = port_of(l);
    pid_t pid[3];
    for (int i = 0; i < 3; i++) pid[i] = SPAWN(
        for (int j = 0; j < 150; j++) {
            int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            struct sockaddr_in a = local4(port);
            connect(c, (sa)&a, sizeof a);
            if (j % 3 == 0) send(c, "x", 1, MSG_NOSIGNAL);
            if (j % 5) close(c);
        });
    fcntl(l, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 3; i++) how("client", reap(pid[i]));
    int c;
    while ((c = accept(l, NULL, NULL)) >= 0) close(c);
    close(l);
    l = listen4();
    int s = connect4(port_of(l));
    write(s, "still", 5);
    char t[8] = "";
    c = accept(l, NULL, NULL);
    recv(c, t, 5, MSG_WAITALL);
    printf("loopback: %s\n", t);
    ask_witness();
    end_witness();
    return 0;
}
