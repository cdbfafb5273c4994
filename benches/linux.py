"""Measures Debian's programs under our kernel beside the same root disk under Linux, in turns: one guest exists at a time. Runs in dom0.

Usage: linux.py ROUNDS SECONDS SIDE[,SIDE] PROGRAM[,PROGRAM...]
Sides are `minios` and `linux`; programs are those of PROGRAMS. The configurations are /host/PROGRAM.cfg and
/host/PROGRAM-linux.cfg, and the domains are called so. They and what they name are copied to dom0's own memory first: what is
measured is guests, not the share that dom0 has them from. For each turn it prints lines `sample SIDE NAME VALUE UNIT`; what is not as
it should be is `test NAME ... FAILED: REASON`. The smallest memory is looked for once, before the rounds.
"""

import os
import re
import subprocess
import sys
import time

from guests import Guest, copy_own
from measure import HTTP_QUESTION, Xen, failed, first_answer, sample, wrk

SMALL_URL, LARGE_URL, LARGE_BYTES = "index.html", "1M.bin", 1 << 20
# MiB to try, from small to large; the first that starts, answers and serves a load counts.
MEMORY = {
    "minios": (6, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64),
    "linux": (40, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256),
}


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
