"""Measures a web server guest of ours beside Linux with nginx, in turns: only one of the two exists at a time. Runs in dom0.

Usage: httpd.py ROUNDS SECONDS [GUEST...]
For each round and guest it prints lines `sample GUEST NAME VALUE UNIT`; what is not as it should be is
`test NAME ... FAILED: REASON`.
"""

import ctypes
import glob
import os
import re
import select
import socket
import subprocess
import sys
import time

SITE = "/host/site"
PEER_CONFIG = """
name = "peer"
type = "pv"
kernel = "/boot/vmlinux"
ramdisk = "/host/peer/initramfs"
cmdline = "console=hvc0 quiet"
memory = 256
vcpus = 1
vif = [ "mac=00:16:3e:00:00:51,bridge=xenbr0" ]
disk = [ "format=raw,vdev=xvda,access=ro,target=/host/peer/root.img", "format=raw,vdev=xvdb,access=ro,target=/host/site.img" ]
"""
GUESTS = {
    "httpd": ("/host/httpd.cfg", "10.0.0.2", "00:16:3e:00:00:50"),
    "peer": ("/tmp/peer.cfg", "10.0.0.3", "00:16:3e:00:00:51"),
}


class VcpuInfo(ctypes.Structure):
    """xen_domctl_getvcpuinfo of xen/domctl.h."""

    _fields_ = [
        ("vcpu", ctypes.c_uint32),
        ("online", ctypes.c_uint8),
        ("blocked", ctypes.c_uint8),
        ("running", ctypes.c_uint8),
        ("cpu_time", ctypes.c_uint64),
        ("cpu", ctypes.c_uint32),
    ]


class Xen:
    """Xen's own account of the time that a vCPU has run, in nanoseconds."""

    def __init__(self):
        found = glob.glob("/usr/lib/x86_64-linux-gnu/libxenctrl.so.*") + glob.glob("/usr/lib/xen-*/lib/**/libxenctrl.so.*", recursive=True)
        self.library = ctypes.CDLL(found[0])
        self.library.xc_interface_open.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self.library.xc_interface_open(None, None, 0))

    def cpu_ns(self, domid):
        info = VcpuInfo()
        if self.library.xc_vcpu_getinfo(self.handle, ctypes.c_uint32(domid), ctypes.c_uint32(0), ctypes.byref(info)) != 0:
            raise OSError(f"no vCPU 0 of domain {domid}")
        return info.cpu_time


def xl(*words, check=True):
    done = subprocess.run(["xl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if check and done.returncode != 0:
        raise OSError(f"xl {' '.join(words)}: {done.stdout.strip()[-400:]}")
    return done.stdout


def sample(guest, name, value, unit):
    print(f"sample {guest} {name} {value:.6g} {unit}", flush=True)


def failed(name, reason):
    print(f"test {name} ... FAILED: {reason}", flush=True)


def first_answer(address, limit=60):
    """The time of the first 200, with a new connection tried every 20 ms beside the ones that wait."""
    poll, streams, end = select.poll(), {}, time.monotonic() + limit
    while time.monotonic() < end:
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex((address, 80))
        streams[stream.fileno()] = stream
        poll.register(stream, select.POLLOUT)
        for fd, _ in poll.poll(20):
            stream = streams.pop(fd)
            poll.unregister(fd)
            with stream:
                if stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    continue
                stream.settimeout(5)
                try:
                    stream.sendall(b"GET /small.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if b" 200 " in stream.recv(4096):
                        return time.monotonic()
                except OSError:
                    pass
        for fd in list(streams)[:-50]:
            poll.unregister(fd)
            streams.pop(fd).close()
    raise OSError(f"{address} does not answer within {limit} s")


def seconds(text):
    """wrk's `12.3ms`, `1.2s`, `900.00us` in seconds."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit]


def wrk(xen, guest, domid, label, connections, duration, path, rate_name, per):
    """One load; `rate_name` is `req` for requests or `mb` for megabytes a second."""
    url = f"http://{GUESTS[guest][1]}/{path}"
    before = time.monotonic(), xen.cpu_ns(domid), xen.cpu_ns(0)
    text = subprocess.run(
        ["wrk", f"-c{connections}", "-t1", f"-d{duration}", "--latency", "--timeout", "2s", url],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=duration + 60,
    ).stdout
    after = time.monotonic(), xen.cpu_ns(domid), xen.cpu_ns(0)
    wall, guest_s, dom0_s = after[0] - before[0], (after[1] - before[1]) / 1e9, (after[2] - before[2]) / 1e9
    found = re.search(r"(\d+) requests in ([\d.]+\w+), ([\d.]+)(\w+) read", text)
    if not found or int(found.group(1)) == 0:
        failed(f"{guest} answers under {label}", " ".join(text.split()))
        return
    requests = int(found.group(1))
    rate = requests / seconds(found.group(2))
    if rate_name == "mb":
        rate *= os.path.getsize(f"{SITE}/{path}") / 1e6
    sample(guest, f"{label}-rate", rate, "MB/s" if rate_name == "mb" else "/s")
    sample(guest, f"{label}-guest-cpu", guest_s / requests * 1e6, f"us/{per}")
    sample(guest, f"{label}-dom0-cpu", dom0_s / requests * 1e6, f"us/{per}")
    sample(guest, f"{label}-guest-share", guest_s / wall * 100, "%")
    sample(guest, f"{label}-dom0-share", dom0_s / wall * 100, "%")
    for quantile in ("50%", "99%"):
        latency = re.search(rf"^\s*{quantile}\s+(\S+)$", text, re.MULTILINE)
        if latency:
            sample(guest, f"{label}-p{quantile[:-1]}", seconds(latency.group(1)) * 1000, "ms")
    longest = re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", text)
    if longest:
        sample(guest, f"{label}-longest", seconds(longest.group(1)) * 1000, "ms")
    errors = re.search(r"Socket errors:.*|Non-2xx.*", text)
    timeouts = re.search(r"timeout (\d+)", text)
    sample(guest, f"{label}-timeouts", int(timeouts.group(1)) if timeouts else 0, "")
    if errors:
        print(f"note: {guest} under {label}: {errors.group(0)}", flush=True)


def intact(address, path):
    """Whether the guest's answer is the file."""
    body = subprocess.run(["curl", "-s", "-m", "20", f"http://{address}/{path}"], stdout=subprocess.PIPE, check=False).stdout
    with open(f"{SITE}/{path}", "rb") as file:
        return body == file.read()


def turn(xen, guest, duration):
    config, address, mac = GUESTS[guest]
    # dom0 would ask for the address once a second only, and that would be measured.
    subprocess.run(["ip", "neigh", "replace", address, "lladdr", mac, "dev", "xenbr0", "nud", "permanent"], check=True)
    start = time.monotonic()
    xl("create", "-p", config)
    try:
        created = time.monotonic()
        # In the background: the guest runs before `xl unpause` has cleaned up behind itself.
        unpause = subprocess.Popen(["xl", "unpause", guest])
        answered = first_answer(address)
        unpause.wait()
        domid = int(xl("domid", guest))
        sample(guest, "xl-create", (created - start) * 1000, "ms")
        sample(guest, "unpause-to-200", (answered - created) * 1000, "ms")
        sample(guest, "create-to-200", (answered - start) * 1000, "ms")
        for path in ("small.txt", "1M.bin"):
            if not intact(address, path):
                failed(f"{guest} serves {path} intact", "the answer is not the file")
        before = time.monotonic(), xen.cpu_ns(domid)
        time.sleep(2)
        sample(guest, "idle-share", (xen.cpu_ns(domid) - before[1]) / (time.monotonic() - before[0]) / 1e9 * 100, "%")
        wrk(xen, guest, domid, "c16", 16, duration, "small.txt", "req", "request")
        wrk(xen, guest, domid, "c200", 200, duration, "small.txt", "req", "request")
        wrk(xen, guest, domid, "1M", 4, duration, "1M.bin", "mb", "MiB")
        memory = next(line.split()[-4] for line in xl("list").splitlines() if line.split()[0] == guest)
        sample(guest, "memory", float(memory), "MiB")
    finally:
        xl("destroy", guest, check=False)


def main():
    rounds, duration = int(sys.argv[1]), int(sys.argv[2])
    guests = sys.argv[3:] or list(GUESTS)
    with open("/tmp/peer.cfg", "w") as file:
        file.write(PEER_CONFIG)
    xen, errors = Xen(), 0
    for number in range(rounds):
        for guest in guests:
            print(f"round {number + 1} of {rounds}: {guest}", flush=True)
            try:
                turn(xen, guest, duration)
            except (OSError, subprocess.SubprocessError) as error:
                errors += 1
                failed(f"{guest} takes its turn", " ".join(str(error).split()))
                log = f"/var/log/xen/guest-{guest}.log"
                if os.path.exists(log):
                    with open(log, errors="replace") as file:
                        print(file.read()[-2000:], flush=True)
    return 1 if errors else 0


sys.exit(main())
