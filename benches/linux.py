"""Measures Debian's programs under our kernel beside the same root disk under Linux, in turns: one guest exists at a time. Runs in dom0.

Usage: linux.py ROUNDS SECONDS SIDE[,SIDE] PROGRAM[,PROGRAM...]
Sides are `minios` and `linux`; programs are those of PROGRAMS. The configurations are /host/PROGRAM.cfg and
/host/PROGRAM-linux.cfg, and the domains are called so. They and what they name are copied to dom0's own memory first: what is
measured is guests, not the share that dom0 has them from. For each turn it prints lines `sample SIDE NAME VALUE UNIT`; what is not as
it should be is `test NAME ... FAILED: REASON`. The smallest memory is looked for once, before the rounds.
"""

import os
import re
import shutil
import subprocess
import sys
import threading
import time

from measure import HTTP_QUESTION, Xen, failed, first_answer, sample, wrk, xl

SHARE, OWN = "/host/", "/run/bench/"
SMALL_URL, LARGE_URL, LARGE_BYTES = "index.html", "1M.bin", 1 << 20
# MiB to try, from small to large; the first that starts, answers and serves a load counts.
MEMORY = {
    "minios": (6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64),
    "linux": (40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256),
}


def copy_own(program, sides):
    """Copies the configurations of a program, and the files that they name, to OWN."""
    os.makedirs(OWN, exist_ok=True)
    for side in sides:
        config = f"{program}.cfg" if side == "minios" else f"{program}-linux.cfg"
        with open(SHARE + config) as file:
            text = file.read()
        for path in re.findall(rf"{SHARE}([^\s\",]+)", text):
            if not os.path.exists(OWN + path):
                os.makedirs(os.path.dirname(OWN + path), exist_ok=True)
                shutil.copyfile(SHARE + path, OWN + path)
        with open(OWN + config, "w") as file:
            file.write(text.replace(SHARE, OWN))


def addresses(config):
    """IP and hardware address of the first vif; nothing for a guest without."""
    with open(config) as file:
        text = file.read()
    found = re.search(r"\bip=([\d.]+)", text), re.search(r"mac=([0-9a-f:]+)", text)
    return [match.group(1) for match in found] if all(found) else None


def show_log(guest):
    log = f"/var/log/xen/guest-{guest}.log"
    if os.path.exists(log):
        with open(log, errors="replace") as file:
            print(file.read()[-1500:], flush=True)


class Guest:
    """A guest from `xl create` to `xl destroy`; `question` is what its service is asked first."""

    def __init__(self, side, program, memory=None):
        self.name = program if side == "minios" else f"{program}-linux"
        self.side, self.program, self.memory = side, program, memory

    def __enter__(self):
        log = f"/var/log/xen/guest-{self.name}.log"
        if os.path.exists(log):
            os.truncate(log, 0)
        config = f"{OWN}{self.name}.cfg"
        found = addresses(config)
        if found:
            self.address, mac = found
            # dom0 would ask for the address once a second only, and that would be measured.
            subprocess.run(["ip", "neigh", "replace", self.address, "lladdr", mac, "dev", "xenbr0", "nud", "permanent"], check=True)
        words = [config] + ([f"memory={self.memory}"] if self.memory else [])
        self.started = time.monotonic()
        self.create = subprocess.Popen(["xl", "create", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.waiter = threading.Thread(target=self.wait_created, daemon=True)
        self.waiter.start()
        return self

    def wait_created(self):
        self.create.wait()
        self.create_ended = time.monotonic()

    def created(self):
        """Waits for `xl create`, which lets the guest run as the last thing it does; the time it came to its end."""
        self.waiter.join(120)
        if self.waiter.is_alive():
            raise OSError(f"xl create {self.name} takes more than 120 s")
        if self.create.returncode != 0:
            raise OSError(f"xl create {self.name}: {self.create.stderr.read().strip()[-300:]}")
        self.domid = int(xl("domid", self.name))
        return self.create_ended

    def __exit__(self, kind, error, trace):
        if self.create.poll() is None:
            self.create.kill()
        if kind is not None and not isinstance(error, KeyboardInterrupt):
            show_log(self.name)
        xl("destroy", self.name, check=False)
        # The next guest shall find the memory and the disk free.
        for _ in range(100):
            if subprocess.run(["xl", "domid", self.name], capture_output=True, check=False).returncode != 0:
                break
            time.sleep(0.05)


def answer(guest, limit=90):
    if guest.program == "redis":
        return first_answer(guest.address, 6379, b"PING\r\n", b"+PONG", limit)
    return first_answer(guest.address, 80, HTTP_QUESTION.replace(b"small.txt", SMALL_URL.encode()), b" 200 ", limit)


def first_reply(guest):
    answered = answer(guest)
    created = guest.created()
    sample(guest.side, f"{guest.program}-first-reply", (answered - guest.started) * 1000, "ms")
    sample(guest.side, f"{guest.program}-xl-create", (created - guest.started) * 1000, "ms")
    sample(guest.side, f"{guest.program}-own-start", (answered - created) * 1000, "ms")


def start(_xen, guest, _duration):
    first_reply(guest)


def nginx(xen, guest, duration):
    first_reply(guest)
    url, name = f"http://{guest.address}", guest.side
    wrk(xen, name, guest.domid, "nginx-c16", 16, duration, f"{url}/{SMALL_URL}")
    wrk(xen, name, guest.domid, "nginx-c256", 256, duration, f"{url}/{SMALL_URL}")
    wrk(xen, name, guest.domid, "nginx-1M", 4, duration, f"{url}/{LARGE_URL}", LARGE_BYTES)


def redis(xen, guest, duration):
    first_reply(guest)
    for pipeline, requests in ((1, 600 * duration), (16, 4000 * duration)):
        for operation in ("set", "get"):
            before = time.monotonic(), xen.cpu_ns(guest.domid), xen.cpu_ns(0)
            done = subprocess.run(
                ["redis-benchmark", "-h", guest.address, "-t", operation, "-n", str(requests), "-c", "20", "-P", str(pipeline), "--csv"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
            ).stdout
            wall, guest_ns, dom0_ns = (after - then for after, then in zip((time.monotonic(), xen.cpu_ns(guest.domid), xen.cpu_ns(0)), before))
            found = re.search(rf'"{operation.upper()}","([\d.]+)"', done)
            label = f"redis-{operation}" + (f"-P{pipeline}" if pipeline > 1 else "")
            if not found:
                failed(f"{guest.name} answers {label}", " ".join(done.split())[-300:])
                continue
            sample(guest.side, f"{label}-rate", float(found.group(1)), "/s")
            sample(guest.side, f"{label}-guest-cpu", guest_ns / 1000 / requests, "us/request")
            sample(guest.side, f"{label}-guest-share", guest_ns / wall / 1e7, "%")
            sample(guest.side, f"{label}-dom0-share", dom0_ns / wall / 1e7, "%")


def micro(_xen, guest, _duration):
    """The guest's program prints `micro NAME NANOSECONDS` on its console."""
    guest.created()
    log, deadline, found = f"/var/log/xen/guest-{guest.name}.log", time.monotonic() + 180, {}
    while "done" not in found:
        if time.monotonic() > deadline:
            raise OSError(f"no end of the operations on the console; so far {sorted(found)}")
        time.sleep(0.2)
        if os.path.exists(log):
            with open(log, errors="replace") as file:
                found = dict(re.findall(r"^micro (\S+) (\d+)\s*$", file.read(), re.MULTILINE))
    del found["done"]
    for name, value in found.items():
        sample(guest.side, name, float(value) / 1000, "us")


PROGRAMS = {"nginx": nginx, "nginx-initramfs": start, "redis": redis, "micro": micro}
# Of these the smallest memory is looked for.
SIZED = ("nginx", "redis")


def works(side, program, memory):
    """Whether the program answers and serves a short load with so much memory."""
    try:
        with Guest(side, program, memory) as guest:
            answer(guest, 45 if side == "linux" else 15)
            guest.created()
            if program == "redis":
                words = ["redis-benchmark", "-h", guest.address, "-t", "set,get", "-n", "500", "-c", "20", "-q"]
                done = subprocess.run(words, capture_output=True, text=True, timeout=60)
                return done.returncode == 0 and "GET" in done.stdout
            words = ["wrk", "-c16", "-t1", "-d2", "--timeout", "2s", f"http://{guest.address}/{LARGE_URL}"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60).stdout
            return "Socket errors" not in done and not re.search(r"\b0 requests in", done)
    except (OSError, subprocess.SubprocessError):
        return False


def smallest_memory(side, program):
    sizes = MEMORY[side]
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        if works(side, program, sizes[middle]):
            high = middle
        else:
            low = middle + 1
    if low == len(sizes):
        failed(f"{program} on {side} works with {sizes[-1]} MiB", "it does not")
    else:
        sample(side, f"{program}-memory", sizes[low], "MiB")


def main():
    rounds, duration = int(sys.argv[1]), int(sys.argv[2])
    sides, programs = sys.argv[3].split(","), sys.argv[4].split(",")
    xen, errors = Xen(), 0
    for program in programs:
        copy_own(program, sides)
    for program in (program for program in programs if program in SIZED):
        for side in sides:
            print(f"smallest memory: {program} on {side}", flush=True)
            smallest_memory(side, program)
    for number in range(rounds):
        for program in programs:
            for side in sides:
                print(f"round {number + 1} of {rounds}: {program} on {side}", flush=True)
                try:
                    with Guest(side, program) as guest:
                        PROGRAMS[program](xen, guest, duration)
                except (OSError, subprocess.SubprocessError) as error:
                    errors += 1
                    failed(f"{program} on {side} takes its turn", " ".join(str(error).split()))
    return 1 if errors else 0


sys.exit(main())
