// getifaddrs and the interface ioctls for lo; a netlink dump of links and addresses.
#include "net.h"
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
int main(void) {
    struct ifaddrs *list, *i;
    char t[64];
    CALL(getifaddrs(&list));
    for (i = list; i; i = i->ifa_next) {
        if (strcmp(i->ifa_name, "lo") || !i->ifa_addr) continue;
        if (i->ifa_addr->sa_family == AF_INET) printf("lo %s", inet_ntoa(((struct sockaddr_in *)i->ifa_addr)->sin_addr)), printf("/%s up %d\n", inet_ntoa(((struct sockaddr_in *)i->ifa_netmask)->sin_addr), !!(i->ifa_flags & IFF_UP));
        if (i->ifa_addr->sa_family == AF_INET6) printf("lo %s\n", inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, t, sizeof t));
    }
    CALL(if_nametoindex("lo"));
    CALL(if_nametoindex("nothing"));
    printf("%s\n", if_indextoname(1, t));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq r = {.ifr_name = "lo"};
    CALL(ioctl(fd, SIOCGIFFLAGS, &r));
    YES((r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING)) == (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
    CALL(ioctl(fd, SIOCGIFADDR, &r));
    printf("%s\n", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
    CALL(ioctl(fd, SIOCGIFMTU, &r));
    YES(r.ifr_mtu >= 1500);
    strcpy(r.ifr_name, "nothing");
    CALL(ioctl(fd, SIOCGIFADDR, &r));
    int n = OK(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    struct { struct nlmsghdr h; struct rtgenmsg g; } q = {{.nlmsg_len = sizeof q, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = 77}, {AF_UNSPEC}};
    CALL(send(n, &q, sizeof q, 0) == sizeof q);
    static char buffer[65536];
    int done = 0, lo = 0, sequence = 1;
    while (!done) {
        ssize_t len = recv(n, buffer, sizeof buffer, 0);
        if (len <= 0) break;
        for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
            sequence &= h->nlmsg_seq == 77;
            if (h->nlmsg_type == NLMSG_DONE) done = 1;
            if (h->nlmsg_type == RTM_NEWLINK && ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_index == 1) lo = 1;
        }
    }
    printf("done %d lo %d sequence %d\n", done, lo, sequence);
    return 0;
}
