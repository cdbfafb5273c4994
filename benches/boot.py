"""Measures how soon guests are there: ours beside Linux, in turns. Runs in dom0.

Usage: boot.py ROUNDS SECONDS SIDE[,SIDE] LOAD[,LOAD...]
Sides are `native` (the example httpd), `minios` and `linux` (Debian's nginx) and `mini-os` (an image that the user names: its first
packet only). Loads are `one`, a guest at a time, and `many`, so many httpd guests one after the other. It prints lines
`sample SIDE NAME VALUE UNIT`; what is not as it should be is `test NAME ... FAILED: REASON`. Times are those since `xl create` was started.
"""

import re
import socket
import subprocess
import sys
import threading
import time

from guests import OWN, Guest, change, copy_own
from measure import HTTP_QUESTION, Xen, about, failed, first_answer, sample, xl

PROGRAMS = {"native": "httpd", "minios": "nginx", "linux": "nginx", "mini-os": "mini-os"}
PATHS = {"native": b"small.txt"}
# The first line on the console that a program says, not the kernel: ours says it in `main`, Linux's first process does.
MAIN = {"native": re.compile(r"^httpd: serving", re.MULTILINE), "linux": re.compile(r"^peer: ready", re.MULTILINE)}
# What the log of httpd says when a part of its start is over, in the order of their ends.
PHASES = {"root-mounted": "mount=", "vif-connected": r"eth0: \S", "serving": r"up to \d+ connections"}
MANY = {"native": 50, "linux": 4}
MANY_LINUX_MEMORY = 192


class FirstPacket(threading.Thread):
    """The time of the first frame from a hardware address."""

    def __init__(self, mac):
        super().__init__(daemon=True)
        self.mac, self.time = bytes.fromhex(mac.replace(":", "")), None
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.settimeout(60)
        self.socket.bind(("xenbr0", 0))
        self.start()

    def run(self):
        try:
            while self.time is None:
                frame = self.socket.recv(2048)
                if frame[6:12] == self.mac:
                    self.time = time.monotonic()
        except OSError:
            pass
        self.socket.close()


class FirstLine(threading.Thread):
    """The time at which the console's log has a line."""

    def __init__(self, guest, line):
        super().__init__(daemon=True)
        self.log, self.line, self.time, self.text = f"/var/log/xen/guest-{guest}.log", line, None, ""
        self.start()

    def run(self):
        deadline = time.monotonic() + 60
        while self.time is None and time.monotonic() < deadline:
            try:
                with open(self.log, errors="replace") as file:
                    self.text = file.read()
            except OSError:
                pass
            if self.line.search(self.text):
                self.time = time.monotonic()
            time.sleep(0.003)


def mac_of(config):
    with open(config) as file:
        return re.search(r"mac=([0-9a-f:]+)", file.read()).group(1)


def ask(guest, limit=90):
    return first_answer(guest.address, question=HTTP_QUESTION.replace(b"small.txt", PATHS.get(guest.side, b"index.html")), limit=limit)


def one(xen, side):
    guest = Guest(side, PROGRAMS[side], paused=True)
    packet = FirstPacket(mac_of(f"{OWN}{guest.name}.cfg"))
    with guest:
        line = FirstLine(guest.name, MAIN[side]) if side in MAIN else None
        created = guest.created()
        # `xl create` lets a guest run as the last thing it does: this is that moment, without the time that is lost before it here.
        resumed = time.monotonic()
        xen.unpause(guest.domid)
        since = lambda moment: (moment - resumed + created - guest.started) * 1000
        if side == "mini-os":
            packet.join(30)
            if packet.time is None:
                print("test the Mini-OS image sends a packet ... skipped: none within 30 s", flush=True)
        else:
            answered = ask(guest)
            packet.join(5)
            sample(side, "first-200-time", since(answered), "ms")
            sample(side, "own-time", (answered - resumed) * 1000, "ms")
            sample(side, "first-200-guest-cpu", xen.cpu_ns(guest.domid) / 1e6, "ms")
        sample(side, "xl-create-time", since(resumed), "ms")
        if packet.time is not None:
            sample(side, "first-packet-time", since(packet.time), "ms")
        if line:
            line.join(20)
            if line.time is not None:
                sample(side, "main-time", since(line.time), "ms")
            phases(side, line.text)


def phases(side, text):
    """What the guest itself has said of its start, since its first instruction."""
    found = re.search(r"entry to main (\d+) us", text)
    if found:
        sample(side, "entry-to-main", int(found.group(1)) / 1000, "ms")
    stamp = r"^\[ *(\d+)\.(\d{6})\] \w+ \S+: "
    for name, words in PHASES.items():
        found = re.search(stamp + words, text, re.MULTILINE)
        if found:
            sample(side, f"inside-{name}", int(found.group(1)) * 1000 + int(found.group(2)) / 1000, "ms")


def clone(side, number):
    """A configuration like the first guest's, with a name and addresses of its own."""
    base = PROGRAMS[side] + ("-linux" if side == "linux" else "")
    with open(f"{OWN}{base}.cfg") as file:
        text = file.read()
    name = f"many{number}{'-linux' if side == 'linux' else ''}"
    text = re.sub(r'^name = ".*"', f'name = "{name}"', text, flags=re.MULTILINE)
    text = re.sub(r"\bip=[\d.]+", f"ip=10.0.0.{100 + number}", text)
    text = re.sub(r"mac=[0-9a-f:]+", f"mac=00:16:3e:00:01:{number:02x}", text)
    if side == "linux":
        text = re.sub(r"^memory = \d+", f"memory = {MANY_LINUX_MEMORY}", text, flags=re.MULTILINE)
    with open(f"{OWN}{name}.cfg", "w") as file:
        file.write(text)
    return Guest(side, f"many{number}", unwatched=True)


def many(xen, side):
    """So many guests, each created when the one before was; each has to answer."""
    guests, count, start = [], MANY[side], time.monotonic()
    try:
        for number in range(count):
            guest = clone(side, number)
            guest.__enter__()
            guests.append(guest)
            guest.created()
            if number % 10 == 9:
                print(f"note: {number + 1} guests", flush=True)
        created = time.monotonic()
        last = max(ask(guest) for guest in guests)
        sample(side, "many-create-time", (created - start) * 1000 / count, "ms/guest")
        sample(side, "many-first-200-time", (last - start) * 1000 / count, "ms/guest")
        sample(side, "many-guest-cpu", sum(xen.cpu_ns(guest.domid) for guest in guests) / 1e6 / count, "ms/guest")
        sample(side, "many-guests", len(guests), "")
    finally:
        for guest in guests:
            guest.__exit__(None, None, None)


def main():
    rounds = int(sys.argv[1])
    sides, loads = sys.argv[3].split(","), sys.argv[4].split(",")
    for side in sides:
        copy_own(PROGRAMS[side], [side])
        if side == "native":
            change(f"{OWN}httpd.cfg", 'cmdline = "', 'cmdline = "loglevel=debug ')
    about()
    xen, errors = Xen(), 0
    for number in range(rounds):
        for load, work in (("one", one), ("many", many)):
            for side in sides:
                # Many take long, and are a median by themselves.
                if load not in loads or load == "many" and (number > 0 or side not in MANY):
                    continue
                print(f"round {number + 1} of {rounds}: {load} on {side}", flush=True)
                try:
                    work(xen, side)
                except (OSError, subprocess.SubprocessError) as error:
                    errors += 1
                    failed(f"{load} on {side}", " ".join(str(error).split()))
    return 1 if errors else 0


sys.exit(main())
