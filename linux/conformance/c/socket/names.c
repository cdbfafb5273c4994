// Resolving names without a network: numbers, localhost, services, and what has no answer.
#include "net.h"
#include <netdb.h>
static void look(const char *host, const char *service, int flags, int family) {
    struct addrinfo hints = {.ai_flags = flags, .ai_family = family, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int r = getaddrinfo(host, service, &hints, &list);
    printf("%s %s: %s", host ? host : "-", service ? service : "-", r ? gai_strerror(r) : "ok");
    char h[100], s[20];
    for (struct addrinfo *i = list; i; i = host ? NULL : i->ai_next)
        if (getnameinfo(i->ai_addr, i->ai_addrlen, h, sizeof h, s, sizeof s, NI_NUMERICHOST | NI_NUMERICSERV) == 0) printf(" %s:%s", h, s);
    printf("\n");
}
int main(void) {
    look("127.0.0.1", "80", AI_NUMERICHOST, AF_UNSPEC);
    look("::1", "81", AI_NUMERICHOST, AF_UNSPEC);
    look("localhost", "82", 0, AF_INET);
    look(NULL, "83", AI_PASSIVE, AF_INET);
    look("not a number", "84", AI_NUMERICHOST, AF_INET);
    look("1.2.3.4", "not-a-service", AI_NUMERICHOST | AI_NUMERICSERV, AF_INET);
    return 0;
}
