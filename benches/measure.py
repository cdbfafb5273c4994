"""What the measurements share: Xen's account of CPU time, xl, the first answer of a service, wrk. Runs in dom0."""

import ctypes
import glob
import re
import select
import socket
import subprocess
import time

HTTP_QUESTION = b"GET /small.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


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

    def unpause(self, domid):
        if self.library.xc_domain_unpause(self.handle, ctypes.c_uint32(domid)) != 0:
            raise OSError(f"domain {domid} is not unpaused")


def xl(*words, check=True):
    done = subprocess.run(["xl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
    if check and done.returncode != 0:
        raise OSError(f"xl {' '.join(words)}: {done.stdout.strip()[-400:]}")
    return done.stdout


def sample(guest, name, value, unit):
    print(f"sample {guest} {name} {value:.6g} {unit}", flush=True)


def about(*programs):
    """Says what versions are measured; `programs` are words whose first line of output names one."""
    info = dict(re.findall(r"^(\w+)\s*: (.*)$", xl("info"), re.MULTILINE))
    texts = [f"Xen {info['xen_version']}", f"Linux {info['release']} in dom0 and beside us"]
    for words in programs:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        texts.append(done.stdout.split("\n")[0].split(" (")[0])
    print("\n".join(f"about {text}" for text in texts), flush=True)


def failed(name, reason):
    print(f"test {name} ... FAILED: {reason}", flush=True)


def first_answer(address, port=80, question=HTTP_QUESTION, answer=b" 200 ", limit=60):
    """The time of the first answer, with a new connection tried every 20 ms beside the ones that wait."""
    poll, streams, end = select.poll(), {}, time.monotonic() + limit
    while time.monotonic() < end:
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex((address, port))
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
                    stream.sendall(question)
                    if answer in stream.recv(4096):
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


def wrk(xen, guest, domid, label, connections, duration, url, bytes_each=None):
    """One load of `duration` seconds. With `bytes_each`, the length of the file, the rate is told in megabytes a second."""
    per = "request" if bytes_each is None else "MiB"
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
    if bytes_each is not None:
        rate *= bytes_each / 1e6
    sample(guest, f"{label}-rate", rate, "/s" if bytes_each is None else "MB/s")
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
