"""Measures an HVM guest whose device model has a domain of its own, with our kernel or Linux's in it, in turns. Runs in dom0.

Usage: bench_stubdom.py ROUNDS SECONDS SIDE[,SIDE] LOAD[,LOAD...]
Sides are `minios` and `linux`; both run the same QEMU out of the same ramdisk. Loads are `boot`, `disk`, `idle` (of SECONDS each), which one
guest does, and in the first round alone `e1000`, `rtl8139` and `memory`. It prints lines `sample SIDE NAME VALUE UNIT`; what is not as it
should be is `test NAME ... FAILED: REASON`. `stubdom-cpu` is Xen's account of the stub domain's vCPU.
"""

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time

import harness
import hvm
from guests import OWN, SHARE
from harness import Failure, check, output, wait_until
from hvm import Hvm, Network, Running, check_patterns
from measure import Xen, about, failed, sample

CONFIGS = {"minios": "hvm", "linux": "hvm-linux"}
# What the smallest memory is looked for among, in MiB, without those that libxl adds.
STEPS = {"minios": [24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64], "linux": [112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192]}
# Label, the letter that does it, and how much that moves.
TRANSFERS = (("pio-read", "b", 0.25), ("dma-read", "i", 8), ("dma-write", "o", 8))
DISK_BYTES = 64 << 20
FILE_MIB = 4
MARK = re.compile(rb"[<>]")


class Account:
    """The time, and what each domain's CPU has run by then."""

    def __init__(self, xen, guest):
        self.time = time.monotonic()
        self.model, self.guest, self.dom0 = (xen.cpu_ns(domid) / 1e9 for domid in (guest.model, guest.domid, 0))


class Measured(Hvm):
    """A guest whose marks on the serial line are noted when they come."""

    def __init__(self, xen, side, **settings):
        self.xen, self.marks, self.first = xen, [], None
        super().__init__(config=CONFIGS[side], **settings)

    def find_config(self, config):
        self.path = f"{OWN}{config}-{hvm.version()}.cfg"

    def read(self, pty):
        while not self.stopped:
            if not hvm.select.select([pty], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(pty, 4096)
            except OSError:
                return
            if not self.first:
                self.first = Account(self.xen, self)
            self.marks += [(mark, Account(self.xen, self)) for mark in MARK.findall(data)]
            self.text += data.decode(errors="replace").replace("\r", "")


def copy_own(side):
    """Configuration, kernel and ramdisk in dom0's own memory."""
    name = f"{CONFIGS[side]}-{hvm.version()}.cfg"
    with open(SHARE + name) as file:
        text = file.read()
    for path in re.findall(rf'^stubdomain_\w+ = "{SHARE}([^"]+)"', text, re.M):
        os.makedirs(os.path.dirname(OWN + path), exist_ok=True)
        shutil.copyfile(SHARE + path, OWN + path)
        text = text.replace(SHARE + path, OWN + path)
    with open(OWN + name, "w") as file:
        file.write(text)


def both(side, label, before, after, mib):
    """Rate and CPU times of what lies between two accounts."""
    seconds = after.time - before.time
    sample(side, f"{label}-rate", mib * 1.048576 / seconds, "MB/s")
    sample(side, f"{label}-stubdom-cpu", (after.model - before.model) / mib * 1e3, "ms/MiB")
    sample(side, f"{label}-dom0-cpu", (after.dom0 - before.dom0) / mib * 1e3, "ms/MiB")
    sample(side, f"{label}-stubdom-share", (after.model - before.model) / seconds * 100, "%")


def of_one_guest(xen, side, loads, seconds):
    disk = hvm.boot_disk("stubdom")
    os.truncate(disk, DISK_BYTES)
    with Running() as running:
        guest = Measured(xen, side, disks=[f"format=raw,vdev=hda,access=w,target={disk}"], paused=True)
    with guest:
        unpaused = time.monotonic()
        guest.unpause()
        guest.expect(r"^READY$", 120)
        if "boot" in loads:
            first = guest.first
            sample(side, "xl-create-time", guest.create_seconds, "s")
            sample(side, "running-time", running.seconds(guest), "s")
            sample(side, "first-output-time", first.time - unpaused, "s")
            sample(side, "create-to-output-time", first.time - unpaused + guest.create_seconds, "s")
            sample(side, "start-stubdom-cpu", first.model, "s")
        if "disk" in loads:
            for label, letter, mib in TRANSFERS:
                guest.command(letter, r">$", 120)
                (_, before), (_, after) = guest.marks[-2:]
                both(side, label, before, after, mib)
        if "idle" in loads:
            for label, letter, answer in (("idle", "N", "^STILL$"), ("idle-18-Hz", "D", "^IDLE$")):
                guest.command(letter, answer)
                time.sleep(1)
                before = Account(xen, guest)
                time.sleep(seconds)
                after = Account(xen, guest)
                sample(side, f"{label}-stubdom-share", (after.model - before.model) / (after.time - before.time) * 100, "%")
                guest.type(" ")
        guest.type("P")
        guest.ended("poweroff", 60)


class Files(http.server.BaseHTTPRequestHandler):
    """A file for the network card's ROM, and the time of each request."""

    requests, guest, xen = {}, None, None
    body = bytes(range(256)) * (FILE_MIB << 12)

    def do_GET(self):
        Files.requests.setdefault(self.path, Account(Files.xen, Files.guest))
        body = Files.body if self.path == "/big" else b"done"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def network(xen, side, model):
    address = Network.ADDRESS
    with Network(f"imgfetch http://{address}/big\nimgfetch http://{address}/done\nsleep 3600") as network:
        server = http.server.ThreadingHTTPServer((address, 80), Files)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with Measured(xen, side, boot="n", vif=network.vif(model), paused=True) as guest:
                Files.requests, Files.guest, Files.xen = {}, guest, xen
                unpaused = time.monotonic()
                guest.unpause()
                try:
                    wait_until(lambda: "/done" in Files.requests, "the ROM has fetched the file", 240, 0.2)
                except Failure as failure:
                    raise Failure(f"{failure}; {list(Files.requests)}; {' | '.join(network.said().splitlines()[-6:])}") from None
                big, done = Files.requests["/big"], Files.requests["/done"]
                sample(side, f"{model}-boot-time", big.time - unpaused, "s")
                both(side, model, big, done, FILE_MIB)
        finally:
            server.shutdown()
            server.server_close()


def works(xen, side, mib):
    """Whether a guest with a disk and a network card boots, reads what it wrote, and powers off; what its stub domain has in all."""
    try:
        with Measured(xen, side, disk="WM", vif="type=ioemu,model=e1000,mac=00:16:3e:00:02:01,bridge=xenbr0", memory=mib) as guest:
            total = int(output("xl", "list", f"{guest.name}-dm").splitlines()[1].split()[-4])
            guest.expect(r"^READY$", 60)
            check("FAILED" not in guest.text, guest.text)
            guest.type("P")
            guest.ended("poweroff", 30)
            check_patterns(guest.disk)
            print(f"note: {mib} MiB are enough for {side}: {total} in all", flush=True)
            return total
    except Failure as failure:
        print(f"note: {mib} MiB are not enough for {side}: {' '.join(str(failure).split())[-300:]}", flush=True)
        return None


def memory(xen, side):
    """Halves the steps between one that is too little and one that is enough."""
    steps, found = STEPS[side], None
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        total = works(xen, side, steps[middle])
        harness.destroy_all()
        if total:
            high, found = middle, total
        else:
            low = middle + 1
    check(found, f"{steps[-1]} MiB are not enough")
    sample(side, "memory-in-all", found, "MiB")


def main():
    rounds, seconds = int(sys.argv[1]), int(sys.argv[2])
    sides, loads = sys.argv[3].split(","), sys.argv[4].split(",")
    os.makedirs(OWN, exist_ok=True)
    for side in sides:
        copy_own(side)
    output("quick-hotplug", "on")
    about(["/usr/libexec/xen-qemu-system-i386", "--version"])
    xen, errors = Xen(), 0
    works_of_a_round = [("a guest", lambda side: of_one_guest(xen, side, loads, seconds))] * bool({"boot", "disk", "idle"} & set(loads))
    once = [(model, lambda side, model=model: network(xen, side, model)) for model in ("e1000", "rtl8139") if model in loads]
    once += [("memory", lambda side: memory(xen, side))] * ("memory" in loads)
    for number in range(rounds):
        for name, work in works_of_a_round + once * (number == 0):
            for side in sides:
                print(f"round {number + 1} of {rounds}: {name} on {side}", flush=True)
                started = time.monotonic()
                try:
                    work(side)
                except (Failure, OSError, subprocess.SubprocessError) as error:
                    errors += 1
                    failed(f"{name} on {side}", " ".join(str(error).split()))
                    for guest in harness.Guest.latest[-1:]:
                        print(f"---- {guest.name}\n{guest.console()[-3000:]}\n----", flush=True)
                harness.destroy_all()
                print(f"note: {time.monotonic() - started:.0f} s", flush=True)
    return 1 if errors else 0


sys.exit(main())
