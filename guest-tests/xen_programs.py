"""What a program in a guest does with /dev/xen, through Debian's libraries: `python3 xen_programs.py VERB ARGUMENT...`.

The last line says `SUCCESS`, or what was found instead. `xen_tests.py` has it run in a guest.
"""

import ctypes
import errno
import mmap
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PAGE = 4096
READ, WRITE = mmap.PROT_READ, mmap.PROT_WRITE
# Pages that all programs of a guest grant together, as Linux's gntalloc has it.
LIMIT = 1024
CLEAR = 5

gnttab = ctypes.CDLL("libxengnttab.so.1", use_errno=True)
evtchn = ctypes.CDLL("libxenevtchn.so.1", use_errno=True)
pointer, u32 = ctypes.c_void_p, ctypes.c_uint32


def declare(library, result, name, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


def quiet():
    """No logger would be one that writes to the standard error output, also where an error is what a test wants."""
    log = ctypes.CDLL("libxentoollog.so.1")
    create = declare(log, pointer, "xtl_createlogger_stdiostream", pointer, ctypes.c_int, ctypes.c_uint)
    stream = pointer.in_dll(ctypes.CDLL(None), "stderr")
    return create(stream, 100, 0)


share_open = declare(gnttab, pointer, "xengntshr_open", pointer, ctypes.c_uint)
share_close = declare(gnttab, ctypes.c_int, "xengntshr_close", pointer)
share_pages = declare(gnttab, pointer, "xengntshr_share_pages", pointer, u32, ctypes.c_int, ctypes.POINTER(u32), ctypes.c_int)
unshare = declare(gnttab, ctypes.c_int, "xengntshr_unshare", pointer, pointer, u32)
map_open = declare(gnttab, pointer, "xengnttab_open", pointer, ctypes.c_uint)
map_grant = declare(gnttab, pointer, "xengnttab_map_grant_ref", pointer, u32, u32, ctypes.c_int)
map_notify = declare(gnttab, pointer, "xengnttab_map_grant_ref_notify", pointer, u32, u32, ctypes.c_int, u32, u32)
unmap = declare(gnttab, ctypes.c_int, "xengnttab_unmap", pointer, pointer, u32)
grant_copy = declare(gnttab, ctypes.c_int, "xengnttab_grant_copy", pointer, u32, pointer)
channel_open = declare(evtchn, pointer, "xenevtchn_open", pointer, ctypes.c_uint)
channel_fd = declare(evtchn, ctypes.c_int, "xenevtchn_fd", pointer)
bind_unbound = declare(evtchn, ctypes.c_int, "xenevtchn_bind_unbound_port", pointer, u32)
bind_interdomain = declare(evtchn, ctypes.c_int, "xenevtchn_bind_interdomain", pointer, u32, u32)
channel_notify = declare(evtchn, ctypes.c_int, "xenevtchn_notify", pointer, u32)
channel_pending = declare(evtchn, ctypes.c_int, "xenevtchn_pending", pointer)
channel_unmask = declare(evtchn, ctypes.c_int, "xenevtchn_unmask", pointer, u32)


def check(condition, reason):
    if not condition:
        raise AssertionError(reason)


def refused(result, what, *errors):
    found = ctypes.get_errno()
    check(result in (None, -1), f"{what} was not refused")
    check(not errors or found in errors, f"{what}: {errno.errorcode.get(found, found)}")


def own_domid():
    return int(subprocess.run(["xenstore-read", "domid"], check=True, stdout=subprocess.PIPE).stdout)


class Shares:
    """gntalloc, open."""

    def __init__(self, logger):
        self.handle = share_open(logger, 0)
        check(self.handle, "gntalloc does not open")

    def pages(self, domain, count=1, writable=1):
        """Granted pages: their address and references; no address if it failed."""
        references = (u32 * count)()
        return share_pages(self.handle, domain, count, references, writable), list(references)

    def end(self, address, count=1):
        check(unshare(self.handle, address, count) == 0, "a page is not given back")


def byte(address, offset=0, value=None):
    """A byte of memory, which is set if there is a value."""
    cell = ctypes.c_ubyte.from_address(address + offset)
    if value is not None:
        cell.value = value
    return cell.value


def all_are_free(logger, domain):
    """Whether as many pages can be granted as ever, so that none has leaked; one more can not."""
    shares = Shares(logger)
    address, _ = shares.pages(domain, LIMIT)
    check(address, f"{LIMIT} pages can not be granted: {errno.errorcode.get(ctypes.get_errno())}")
    refused(shares.pages(domain)[0], "one more", errno.ENOSPC)
    shares.end(address, LIMIT)
    check(share_close(shares.handle) == 0, "gntalloc does not close")


def child(work):
    """Does it in a process of its own, to be killed; returns when it has said that it is ready."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, work() or b"ready")
            time.sleep(60)
        except BaseException as error:
            os.write(writing, f"failed: {error}".encode())
        os._exit(1)
    os.close(writing)
    said = os.read(reading, 4096)
    os.close(reading)
    check(not said.startswith(b"failed"), said.decode())
    return pid, said


def end_of(pid, number=signal.SIGKILL):
    if number:
        os.kill(pid, number)
    return os.waitpid(pid, 0)[1]


def own(logger, domain):
    """Pages that a guest grants to itself: what both devices promise, without a second guest."""
    shares, maps = Shares(logger), map_open(logger, 0)
    check(maps, "gntdev does not open")
    address, (gref,) = shares.pages(domain)
    check(address and gref, "no page is granted")
    byte(address, 0, 42)
    first, second = (map_grant(maps, domain, gref, READ | WRITE) for _ in range(2))
    check(first and second and first != second, "a grant is not mapped twice")
    byte(first, 1, 43)
    check((byte(second, 0), byte(second, 1), byte(address, 1)) == (42, 43, 43), "it is not the same page")
    # What is mapped is there no more in the child of a fork.
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        byte(first)
        os._exit(0)
    check(end_of(pid, None) == signal.SIGSEGV, "a fork inherits what is mapped")
    check(unmap(maps, first, 1) == 0, "it is not unmapped")
    refused(unmap(maps, first, 1), "unmapping twice", errno.EINVAL)
    check(byte(second, 1) == 43, "the other mapping is gone, too")
    # A page that is given back while it is mapped stays, for who has it mapped.
    shares.end(address)
    check(byte(second) == 42, "the page of a mapping is gone")
    check(unmap(maps, second, 1) == 0, "it is not unmapped")

    address, (gref,) = shares.pages(domain, writable=0)
    refused(map_grant(maps, domain, gref, READ | WRITE), "writing to what is granted for reading", errno.EINVAL)
    first = map_grant(maps, domain, gref, READ)
    check(first, "what is granted for reading is not mapped")
    # Both ways without a mapping.
    buffer = ctypes.create_string_buffer(b"0123456789", 16)
    byte(address, 100, 99)
    segments = struct.pack("<IHHQHHhHQIHHHHhH", gref, 100, domain, ctypes.addressof(buffer) + 2, 3, 1, 9, 0,
                           ctypes.addressof(buffer), gref, 0, domain, 8, 2, 9, 0)
    segments = ctypes.create_string_buffer(segments, 48)
    check(grant_copy(maps, 2, ctypes.addressof(segments)) == 0, "grant_copy fails")
    status = [struct.unpack_from("<h", segments, at)[0] for at in (20, 44)]
    check(status[0] == 0 and status[1] != 0, f"the copies' results are {status}")
    check(buffer.raw[:8] == b"01c\0\x00567", f"the copy out of the page is {buffer.raw[:8]}")
    check(unmap(maps, first, 1) == 0, "it is not unmapped")
    shares.end(address)
    all_are_free(logger, domain)


def refusals(logger, domain):
    """What is nobody's or no longer there."""
    maps, shares, channels = map_open(logger, 0), Shares(logger), channel_open(logger, 0)
    for other, gref in ((0, 60_000), (0, 9), (domain, 0xFFFFFFF0), (32_000, 9)):
        refused(map_grant(maps, other, gref, READ), f"grant {gref} of domain {other}", errno.EINVAL)
    for other, port in ((0, 1), (0, 4000), (0, 70_000), (32_000, 1), (domain, 1)):
        refused(bind_interdomain(channels, other, port), f"port {port} of domain {other}", errno.EINVAL, errno.ESRCH, errno.EPERM)
    refused(channel_notify(channels, 1), "an event by a port of the kernel", errno.ENOTCONN)
    refused(map_notify(maps, domain, 9, READ | WRITE, CLEAR, 1), "telling by a port of the kernel", errno.EINVAL)
    refused(shares.pages(domain, LIMIT + 1)[0], "too many pages", errno.ENOSPC)
    refused(unmap(maps, 0x10000, 1), "unmapping what is not mapped", errno.EINVAL)
    all_are_free(logger, domain)


def killed(logger, domain):
    """Programs that are killed leave nothing, and their peers are told."""
    shares, channels = Shares(logger), channel_open(logger, 0)
    address, (gref,) = shares.pages(domain)
    port = bind_unbound(channels, domain)
    check(port > 0, "no port")

    def mapper():
        maps, own_channels = map_open(logger, 0), channel_open(logger, 0)
        own_port = bind_interdomain(own_channels, domain, port)
        check(own_port > 0, "the other end of the port")
        mapped = map_notify(maps, domain, gref, READ | WRITE, CLEAR, own_port)
        check(mapped, f"not mapped: {errno.errorcode.get(ctypes.get_errno())}")
        byte(mapped, CLEAR, 1)
        byte(mapped, CLEAR + 1, 1)
    for _ in range(3):
        pid, _ = child(mapper)
        # What came when the ends were joined.
        while select.select([channel_fd(channels)], [], [], 0)[0]:
            channel_unmask(channels, channel_pending(channels))
        check((byte(address, CLEAR), byte(address, CLEAR + 1)) == (1, 1), "the other end has not written")
        end_of(pid)
        check(select.select([channel_fd(channels)], [], [], 10)[0], "no event when the other end was killed")
        check(channel_pending(channels) == port, "another port")
        check(channel_unmask(channels, port) == 0, "it is not unmasked")
        check((byte(address, CLEAR), byte(address, CLEAR + 1)) == (0, 1), "the byte is not cleared")
        port = bind_unbound(channels, domain)
    shares.end(address)
    all_are_free(logger, domain)

    def giver():
        at, references = Shares(logger).pages(domain, 1000)
        byte(at, 7, 77)
        return str(references[0]).encode()
    pid, said = child(giver)
    maps = map_open(logger, 0)
    mapped = map_grant(maps, domain, int(said), READ)
    check(mapped and byte(mapped, 7) == 77, "the page of the other program")
    end_of(pid)
    check(byte(mapped, 7) == 77, "the page of a program that was killed is gone under who maps it")
    left = Shares(logger)
    check(left.pages(domain, LIMIT)[0] is None, "a page that is mapped still does not count")
    at, _ = left.pages(domain, LIMIT - 1)
    check(at, "more than the page that is mapped is left of a program that was killed")
    left.end(at, LIMIT - 1)
    check(unmap(maps, mapped, 1) == 0, "it is not unmapped")
    all_are_free(logger, domain)


def hypercalls(logger, domain):
    """libxenctrl in a guest that is nobody's device model: it hears of Xen, and of no domain."""
    control = ctypes.CDLL("libxenctrl.so.4.17", use_errno=True)
    interface = declare(control, pointer, "xc_interface_open", pointer, pointer, ctypes.c_uint)(logger, logger, 0)
    check(interface, "libxenctrl does not open")
    version = declare(control, ctypes.c_int, "xc_version", pointer, ctypes.c_int, pointer)
    number, extra = version(interface, 0, None), ctypes.create_string_buffer(64)
    check(version(interface, 1, ctypes.addressof(extra)) == 0, "no extra version")
    print(f"xen {number >> 16}.{number & 0xFFFF}{extra.value.decode()}", flush=True)
    for name in ("xc_domain_pause", "xc_domain_destroy"):
        call = declare(control, ctypes.c_int, name, pointer, u32)
        for other in (0, domain, 32_000):
            refused(call(interface, other), f"{name} of domain {other}", errno.EPERM)
    shut = declare(control, ctypes.c_int, "xc_domain_shutdown", pointer, u32, ctypes.c_int)
    refused(shut(interface, 0, 3), "the end of dom0", errno.EPERM)
    most = declare(control, ctypes.c_int, "xc_domain_maximum_gpfn", pointer, u32, pointer)
    refused(most(interface, 0, ctypes.addressof(extra)), "dom0's memory", errno.EPERM)
    foreign = ctypes.CDLL("libxenforeignmemory.so.1", use_errno=True)
    memory = declare(foreign, pointer, "xenforeignmemory_open", pointer, ctypes.c_uint)(logger, 0)
    check(memory, "libxenforeignmemory does not open")
    mapping = declare(foreign, pointer, "xenforeignmemory_map", pointer, u32, ctypes.c_int, ctypes.c_size_t, pointer, pointer)
    frames, errors = (ctypes.c_uint64 * 1)(256), (ctypes.c_int * 1)()
    for other in (0, domain):
        refused(mapping(memory, other, READ, 1, ctypes.addressof(frames), ctypes.addressof(errors)), f"a page of domain {other}",
                errno.EPERM)


def hold(logger, _, other, gref):
    """Maps a page of another domain until it is killed."""
    mapped = map_grant(map_open(logger, 0), int(other), int(gref), READ | WRITE)
    check(mapped, f"not mapped: {errno.errorcode.get(ctypes.get_errno())}")
    print(f"holds {byte(mapped)}", flush=True)
    time.sleep(100)


def give(logger, _, other):
    """Grants a page to another domain until it is killed."""
    address, (gref,) = Shares(logger).pages(int(other))
    byte(address, 0, 171)
    print(f"gives {gref}", flush=True)
    time.sleep(100)


def parts(back, data):
    """Where the bytes that came back are from, to 16 bytes: place, place of origin, length."""
    found, at = [], 0
    while at < len(back) and len(found) < 10:
        origin, length = data.find(back[at:at + 16]), 16
        while origin >= 0 and back[at + length:at + length + 16] == data[origin + length:origin + length + 16] != b"":
            length += 16
        if origin >= 0 or not found or found[-1][1] >= 0:
            found.append((at, origin, length))
        at += length
    return found


def echo(_, __, path):
    """Sends back what comes on a socket; one connection after the other."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("listens", flush=True)
        while True:
            stream, _ = listener.accept()
            with stream:
                while part := stream.recv(65536):
                    stream.sendall(part)


def send(_, __, path, *sizes):
    """Sends bytes and compares what comes back, on one connection."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(20)
        for _ in range(500):
            try:
                stream.connect(path)
                break
            except OSError:
                time.sleep(0.02)
        # vchan-socket-proxy as a server does not look for what a client sends before it knows of the client; on Linux neither.
        time.sleep(1)
        for size in map(int, sizes):
            data, back = os.urandom(size), b""
            sender = threading.Thread(target=stream.sendall, args=(data,))
            sender.start()
            while len(back) < size:
                part = stream.recv(65536)
                check(part, f"it ended after {len(back)} of {size} bytes")
                back += part
            sender.join()
            if back != data:
                raise AssertionError(f"{size} bytes came back changed: {parts(back, data)}")


VERBS = {verb.__name__: verb for verb in (own, refusals, killed, hypercalls, hold, give, echo, send)}


def main(verb, *arguments):
    try:
        needs_xen = verb not in ("echo", "send")
        VERBS[verb](quiet() if needs_xen else None, own_domid() if needs_xen else None, *arguments)
    except AssertionError as error:
        print(f"FAILURE: {verb}: {error}", flush=True)
        return 1
    print(f"SUCCESS: {verb}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
