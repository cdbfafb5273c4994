"""Measures how little memory guests need: ours beside Linux. Runs in dom0.

Usage: memory.py ROUNDS SECONDS SIDE[,SIDE] LOAD[,LOAD...]
Sides are `native` (the examples) and `linux` (Debian's nginx, and netbench.c as an echo server), `minios` (those under our kernel). Loads:
hello, echo, httpd (the least `memory=` with which they work), idle (what a connection takes that says nothing) and fit (httpd guests in
512 MB). It prints lines `sample SIDE NAME VALUE UNIT`; what is not as it should be is `test NAME ... FAILED: REASON`.
"""

import re
import socket
import subprocess
import sys
import time

from guests import OWN, Guest, change, copy_own
from measure import HTTP_QUESTION, about, failed, first_answer, sample, xl

# MiB to try, from small to large.
SIZES = {
    "native": (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16),
    "minios": (4, 6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64),
    "linux": (40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256),
}
# Load, side and the guest that serves it there.
PROGRAMS = {
    ("hello", "native"): "hello",
    ("echo", "native"): "echo",
    ("echo", "minios"): "net",
    ("echo", "linux"): "net",
    ("httpd", "native"): "httpd",
    ("httpd", "minios"): "nginx",
    ("httpd", "linux"): "nginx",
}
ECHO_PORTS = {"native": 7, "minios": 5007, "linux": 5007}
IDLE = 200
FIT_MIB, FIT = 512, 100
# MiB of each of those: the least with which httpd answers; with more it has more connections at a time.
FIT_EACH = 4


def question(side):
    return HTTP_QUESTION if side == "native" else HTTP_QUESTION.replace(b"small.txt", b"index.html")


def works(load, side, program, memory):
    """Whether it does what it is for with so much memory."""
    limit = 45 if side == "linux" else 15
    try:
        with Guest(side, program, memory) as guest:
            if load == "hello":
                guest.create.wait(30)
                return guest.create.returncode == 0 and said(guest.name, "SUCCESS", limit)
            if load == "echo":
                first_answer(guest.address, ECHO_PORTS[side], b"word", b"word", limit)
                guest.created()
                with socket.create_connection((guest.address, ECHO_PORTS[side]), timeout=10) as stream:
                    return all(echoes(stream, bytes([number]) * 4000) for number in range(50))
            first_answer(guest.address, question=question(side), limit=limit)
            guest.created()
            path = "1M.bin"
            words = ["wrk", "-c16", "-t1", "-d2", "--timeout", "2s", f"http://{guest.address}/{path}"]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60).stdout
            return "Socket errors" not in done and "Non-2xx" not in done and not re.search(r"\b0 requests in", done)
    except (OSError, subprocess.SubprocessError):
        return False


def said(guest, word, limit):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            with open(f"/var/log/xen/guest-{guest}.log", errors="replace") as file:
                if word in file.read():
                    return True
        except OSError:
            pass
        time.sleep(0.1)
    return False


def echoes(stream, data):
    stream.sendall(data)
    back = b""
    while len(back) < len(data):
        part = stream.recv(65536)
        if not part:
            return False
        back += part
    return back == data


def smallest(load, side):
    """The least that works; what is larger is taken to work as well."""
    program, sizes = PROGRAMS[load, side], SIZES[side]
    low, high = 0, len(sizes)
    while low < high:
        middle = (low + high) // 2
        if works(load, side, program, sizes[middle]):
            high = middle
        else:
            low = middle + 1
    if low == len(sizes):
        raise OSError(f"{program} does not work with {sizes[-1]} MiB")
    sample(side, f"{load}-memory", sizes[low], "MiB")
    return sizes[low]


def free_pages(side, connections):
    """Pages that are free while so many connections are open, as the guest counts them."""
    program = PROGRAMS["echo", side]
    with Guest(side, program, 256 if side == "linux" else 64) as guest:
        first_answer(guest.address, ECHO_PORTS[side], b"word", b"word", 60)
        guest.created()
        streams = []
        for _ in range(connections):
            stream = socket.create_connection((guest.address, ECHO_PORTS[side]), timeout=20)
            streams.append(stream)
            if not echoes(stream, b"x"):
                raise OSError(f"connection {len(streams)} is closed")
        time.sleep(0.5)
        if side != "native":
            with socket.create_connection((guest.address, 5000), timeout=20) as stream:
                stream.sendall(b"free\n")
                return float(stream.makefile().readline()) / 4
        xl("shutdown", guest.name)
        if not said(guest.name, "free_pages=", 30):
            raise OSError("the guest does not say what is free")
        with open(f"/var/log/xen/guest-{guest.name}.log", errors="replace") as file:
            return float(re.findall(r"free_pages=(\d+)", file.read())[-1])


def idle(side):
    sample(side, "idle-connection", (free_pages(side, 0) - free_pages(side, IDLE)) * 4096 / IDLE, "bytes")


def free_mib():
    return int(re.search(r"^free_memory\s*: (\d+)", xl("info"), re.MULTILINE).group(1))


def fit():
    """httpd guests, all at once, and what they take of Xen's memory, its own for them included."""
    with open(f"{OWN}httpd.cfg") as file:
        text = file.read()
    before, guests = free_mib(), []
    try:
        for number in range(FIT):
            new = re.sub(r'^name = ".*"', f'name = "fit{number}"', text, flags=re.MULTILINE)
            new = re.sub(r"\bip=[\d.]+", f"ip=10.0.0.{100 + number}", new)
            new = re.sub(r"mac=[0-9a-f:]+", f"mac=00:16:3e:00:02:{number:02x}", new)
            with open(f"{OWN}fit{number}.cfg", "w") as file:
                file.write(new)
            guest = Guest("native", f"fit{number}", FIT_EACH, unwatched=True)
            guest.__enter__()
            guests.append(guest)
            guest.created()
            if number % 20 == 19:
                print(f"note: {number + 1} guests", flush=True)
        answered = 0
        for guest in guests:
            first_answer(guest.address, question=HTTP_QUESTION, limit=20)
            answered += 1
        taken = before - free_mib()
        sample("native", "fit-answering", answered, "guests")
        sample("native", "fit-each", taken / answered, "MiB")
        sample("native", f"fit-in-{FIT_MIB}-MB", FIT_MIB * answered // taken if taken else 0, "guests")
    finally:
        for guest in guests:
            guest.__exit__(None, None, None)


def main():
    sides, loads = sys.argv[3].split(","), sys.argv[4].split(",")
    for (load, side), program in PROGRAMS.items():
        wanted = load in loads or load == "echo" and "idle" in loads or (load, side) == ("httpd", "native") and "fit" in loads
        if side in sides and wanted:
            copy_own(program, [side])
            if program == "echo":
                change(f"{OWN}echo.cfg", "ip=dhcp,slaac", "ip=10.0.0.44/24")
    about()
    # Nothing here is timed: the short hotplug scripts save most of `xl create`.
    subprocess.run(["quick-hotplug"], check=True)
    errors = 0

    def attempt(what, work):
        nonlocal errors
        print(f"{what}", flush=True)
        try:
            return work()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            errors += 1
            failed(what, " ".join(str(error).split()))

    for (load, side), program in PROGRAMS.items():
        if side in sides and load in loads:
            attempt(f"least memory: {load} on {side}", lambda: smallest(load, side))
    if "idle" in loads:
        for side in sides:
            attempt(f"an idle connection on {side}", lambda: idle(side))
    if "fit" in loads and "native" in sides:
        attempt(f"httpd guests in {FIT_MIB} MB", fit)
    return 1 if errors else 0


sys.exit(main())
