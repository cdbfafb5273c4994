/*
 * A device model that was taken over: runs in QEMU's place with all that QEMU has, and asks for what is not its target's. Each line
 * of its output is an attempt; "REACHED" in one is a hole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define NONE(kind, number, size) _IOC(_IOC_NONE, kind, number, size)

struct hypercall { uint64_t op, arg[5]; };
struct batch { uint32_t num; uint16_t domain; uint64_t addr; const uint64_t *frames; int *errors; };
struct resource { uint16_t domain; uint32_t type, id, first; uint64_t num, addr; };
struct dm_buffer { void *at; size_t size; };
struct dm_op { uint16_t domain, num; struct dm_buffer *buffers; };
struct grants { uint32_t count, pad; uint64_t index; uint32_t domain, ref; };
struct interdomain { uint32_t domain, port; };
struct reservation { uint64_t *extents; uint64_t count; uint32_t order, flags; uint16_t domain; };
struct xenstore { uint32_t type, request, transaction, len; };

static int privcmd, target;

static void result(const char *what, int reached)
{
    int error = errno;
    printf("hostile: %s: %s%s%s\n", what, reached ? "REACHED" : "refused", reached ? "" : ", ", reached ? "" : strerror(error));
}

static int map_frames(int domain, uint64_t frame)
{
    uint64_t frames[4] = { frame, frame + 1, frame + 2, frame + 3 };
    int errors[4] = { 0 };
    void *at = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, privcmd, 0);
    if (at == MAP_FAILED)
        return 0;
    struct batch batch = { 4, domain, (uintptr_t)at, frames, errors };
    int reached = ioctl(privcmd, NONE('P', 4, sizeof batch), &batch) == 0;
    int error = errno;
    if (reached && errors[0]) {
        reached = 0;
        error = -errors[0];
    }
    munmap(at, 16384);
    errno = error;
    return reached;
}

static int dm_op(int domain)
{
    /* track_dirty_vram of nothing: harmless where it is allowed. */
    struct { uint32_t op, pad; uint64_t words[4]; } order = { .op = 2 };
    struct dm_buffer buffer = { &order, sizeof order };
    struct dm_op op = { domain, 1, &buffer };
    return ioctl(privcmd, NONE('P', 5, sizeof op), &op) == 0;
}

static int hypercall(uint64_t op, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct hypercall call = { op, { a, b, c, d, 0 } };
    return ioctl(privcmd, NONE('P', 0, sizeof call), &call) >= 0;
}

static int reserve(uint64_t op, int domain)
{
    uint64_t extent = 0x1000;
    struct reservation reservation = { &extent, 1, 0, 0, domain };
    struct hypercall call = { 12, { op, (uintptr_t)&reservation } };
    return ioctl(privcmd, NONE('P', 0, sizeof call), &call) > 0;
}

static int resource(int domain)
{
    void *at = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, privcmd, 0);
    if (at == MAP_FAILED)
        return 0;
    struct resource resource = { domain, 1, 0, 0, 1, (uintptr_t)at };
    int reached = ioctl(privcmd, NONE('P', 7, sizeof resource), &resource) == 0;
    int error = errno;
    munmap(at, 4096);
    errno = error;
    return reached;
}

static int grant(int domain, uint32_t ref)
{
    int fd = open("/dev/xen/gntdev", O_RDWR);
    struct grants grants = { 1, 0, 0, domain, ref };
    int reached = 0;
    if (fd >= 0 && ioctl(fd, NONE('G', 0, sizeof grants), &grants) == 0) {
        void *at = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, grants.index);
        reached = at != MAP_FAILED;
    }
    int error = errno;
    close(fd);
    errno = error;
    return reached;
}

static int bind_port(int domain, uint32_t port)
{
    int fd = open("/dev/xen/evtchn", O_RDWR);
    struct interdomain interdomain = { domain, port };
    int reached = fd >= 0 && ioctl(fd, NONE('E', 1, sizeof interdomain), &interdomain) >= 0;
    int error = errno;
    close(fd);
    errno = error;
    return reached;
}

static int store_write(const char *path, const char *value)
{
    char message[512];
    struct xenstore *header = (void *)message;
    size_t path_len = strlen(path) + 1, len = path_len + strlen(value);
    int fd = open("/dev/xen/xenbus", O_RDWR);
    *header = (struct xenstore){ 11, 1, 0, len };
    memcpy(message + sizeof *header, path, path_len);
    memcpy(message + sizeof *header + path_len, value, len - path_len);
    int reached = 0;
    if (fd >= 0 && write(fd, message, sizeof *header + len) > 0 && read(fd, header, sizeof *header) == sizeof *header) {
        char text[256] = "";
        if (header->len < sizeof text && read(fd, text, header->len) >= 0)
            reached = header->type == 11;
        errno = reached ? 0 : EACCES;
    }
    int error = errno;
    close(fd);
    errno = error;
    return reached;
}

int main(int count, char **words)
{
    char path[128];
    setvbuf(stdout, 0, _IOLBF, 0);
    for (int i = 1; i + 1 < count; i++)
        if (!strcmp(words[i], "-xen-domid"))
            target = atoi(words[i + 1]);
    printf("hostile: the target is domain %d\n", target);
    privcmd = open("/dev/xen/privcmd", O_RDWR);
    if (privcmd < 0)
        return perror("/dev/xen/privcmd"), 1;

    /* What it may do shows that the rest fails for its sake. */
    printf("hostile: own target's memory: %s\n", map_frames(target, 0x10) ? "mapped" : strerror(errno));

    result("memory of dom0", map_frames(0, 0x1000));
    result("memory of its own domain, as another's", map_frames(0x7ff0, 0x100));
    result("memory of a domain that is not there", map_frames(target + 7, 0x100));
    result("memory of Xen", map_frames(0x7ff2, 0x100));
    result("memory of devices", map_frames(0x7ff1, 0xfee00));
    result("dm_op on dom0", dm_op(0));
    result("resource of dom0", resource(0));
    result("less memory for dom0", reserve(1, 0));
    result("more memory for dom0", reserve(6, 0));
    result("more memory for itself", reserve(6, 0x7ff0));
    result("domctl", hypercall(36, 0, 0, 0, 0));
    result("sysctl", hypercall(35, 0, 0, 0, 0));
    result("platform_op", hypercall(7, 0, 0, 0, 0));
    result("physdev_op", hypercall(33, 0, 0, 0, 0));
    result("set_trap_table", hypercall(0, 0, 0, 0, 0));
    result("mmu_update of nothing", hypercall(1, 0, 0, 0, 0));
    result("set_callbacks", hypercall(30, 0, 0, 0, 0));
    result("iret", hypercall(23, 0, 0, 0, 0));
    result("grant table of its own domain", hypercall(20, 0, 0, 0, 0));
    result("shutdown of its own domain", hypercall(29, 2, 0, 0, 0));
    result("console of Xen", hypercall(18, 0, 4, (uintptr_t)"evil", 0));
    result("grant of dom0", grant(0, 8));
    result("grant of the target, which there is none", grant(target, 9));
    result("port of dom0", bind_port(0, 1));
    result("XenStore of dom0", store_write("/local/domain/0/name", "evil"));
    result("XenStore of the tools", store_write("/tool/evil", "1"));
    uint16_t other = 0;
    result("restriction to dom0, and then dom0", ioctl(privcmd, NONE('P', 6, sizeof other), &other) == 0 && dm_op(0));
    printf("hostile: done\n");
    snprintf(path, sizeof path, "device-model/%d/state", target);
    store_write(path, "running");
    pause();
    return 0;
}
