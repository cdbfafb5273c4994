"""Measures the disks of guests: examples/blkbench beside Debian's fio on Linux, in turns, on the same image in dom0's memory. Runs in dom0.

Usage: blk.py ROUNDS SECONDS SIDE[,SIDE] LOAD[,LOAD...]
Sides are `minios` and `linux`; loads are ORDER-DIRECTION-SIZE-DEPTH, as rand-read-4k-32, and flush. What the guest's program takes
to start is measured first and taken off. Each load is traced once, in a further run that counts for nothing else; and once each guest
writes the disk and verifies it. It prints lines `sample SIDE NAME VALUE UNIT`; what is not as it should be is `test NAME ... FAILED: REASON`.
"""

import json
import re
import socket
import subprocess
import sys
import time

import xentrace
from guests import OWN, Guest, copy_own
from measure import Xen, about, failed, first_answer, sample

PROGRAMS = {"minios": "blkbench", "linux": "blk"}
IMAGE = f"{OWN}blkbench.img"
DEVICES = {"minios": 51712, "linux": 51728}
SIZES = {"4k": 4096, "128k": 131072}
FLUSHES = 2000
TRACED_SECONDS = 3


def ask(guest, *words, limit=120):
    """What the guest answers to a line."""
    with socket.create_connection((guest.address, 5000), timeout=limit) as stream:
        stream.sendall((" ".join(map(str, words)) + "\n").encode())
        answer = b""
        while part := stream.recv(65536):
            answer += part
    answer = answer.decode(errors="replace").strip()
    if not answer or answer.startswith("error"):
        raise OSError(f"{words[0]}: {answer[-300:]}")
    return answer


class Outcome:
    def __init__(self, requests, elapsed, p50, p99):
        self.requests, self.elapsed, self.p50, self.p99 = requests, elapsed, p50, p99


class Ours:
    @staticmethod
    def run(guest, order, direction, size, depth, duration):
        numbers = ask(guest, "run", order, direction, size, depth, int(duration * 1000)).split()
        return Ours.outcome(numbers)

    @staticmethod
    def outcome(numbers):
        requests, micros, p50, p99 = map(int, numbers)
        return Outcome(requests, micros / 1e6, p50, p99)

    @staticmethod
    def flush(guest):
        return Ours.outcome(ask(guest, "flush", FLUSHES).split())

    @staticmethod
    def nothing(guest):
        ask(guest, "run", "seq", "read", 4096, 1, 1)

    @staticmethod
    def verify(guest):
        return int(ask(guest, "verify", 4096, 32)) + int(ask(guest, "verify", 131072, 8))


class Fio:
    @staticmethod
    def job(guest, *words):
        words = ["--name=a", "--filename=/dev/xvdb", "--ioengine=libaio", "--direct=1", "--output-format=json", *words]
        answer = ask(guest, "fio", *words)
        begin = answer.find("{")
        if begin < 0:
            raise OSError(f"fio: {' '.join(answer.split())[-300:]}")
        job = json.loads(answer[begin:])["jobs"][0]
        if job["error"]:
            raise OSError(f"fio: error {job['error']}")
        return job

    @staticmethod
    def run(guest, order, direction, size, depth, duration):
        kind = ("rand" if order == "rand" else "") + direction
        job = Fio.job(guest, f"--rw={kind}", f"--bs={size}", f"--iodepth={depth}", f"--runtime={duration}", "--time_based", "--randrepeat=1")
        part = job[direction]
        times = part["clat_ns"]["percentile"]
        return Outcome(part["total_ios"], part["runtime"] / 1000, times["50.000000"] / 1000, times["99.000000"] / 1000)

    @staticmethod
    def flush(guest):
        job = Fio.job(guest, "--rw=write", "--bs=4k", "--iodepth=1", "--fsync=1", f"--number_ios={FLUSHES}")
        times = job["sync"]["lat_ns"]
        return Outcome(times["N"], times["N"] * times["mean"] / 1e9, times["percentile"]["50.000000"] / 1000, times["percentile"]["99.000000"] / 1000)

    @staticmethod
    def nothing(guest):
        Fio.job(guest, "--rw=read", "--bs=4k", "--iodepth=1", "--number_ios=1")

    @staticmethod
    def verify(guest):
        for size, depth in ((4096, 32), (131072, 8)):
            words = ("--rw=randwrite", f"--bs={size}", f"--iodepth={depth}", "--size=64m", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1")
            # It fails where it reads something else.
            if Fio.job(guest, *words)["read"]["total_ios"] == 0:
                raise OSError("fio has read nothing")
        return 128 << 20


KINDS = {"minios": Ours, "linux": Fio}


def activity(guest):
    directory = f"/sys/bus/xen-backend/devices/vbd-{guest.domid}-{DEVICES[guest.side]}/statistics"

    def requests():
        total = 0
        for name in ("rd_req", "wr_req", "f_req"):
            with open(f"{directory}/{name}") as file:
                total += int(file.read())
        return total

    return requests


def runner(kind, label):
    """How a load is run for so many seconds, what a unit of it is, and its bytes."""
    if label == "flush":
        return lambda guest, _duration: kind.flush(guest), "flush", 0
    order, direction, size, depth = label.split("-")
    return lambda guest, duration: kind.run(guest, order, direction, SIZES[size], int(depth), duration), "request", SIZES[size]


def turn(xen, side, labels, duration, first):
    errors, kind = 0, KINDS[side]
    with Guest(side, PROGRAMS[side]) as guest:
        first_answer(guest.address, 5000, b"x\n", b"\n", 90)
        guest.created()
        cpu = lambda: [xen.cpu_ns(guest.domid), xen.cpu_ns(0)]
        starts = []
        for _ in range(3):
            before = cpu()
            kind.nothing(guest)
            starts.append([after - then for after, then in zip(cpu(), before)])
        start = [min(times) for times in zip(*starts)]
        for label in labels:
            run, unit, size = runner(kind, label)
            try:
                began, before = time.monotonic(), cpu()
                outcome = run(guest, duration)
                used = [max(after - then - less, 0) / 1e9 for after, then, less in zip(cpu(), before, start)]
                if not outcome.requests:
                    raise OSError("no request has ended")
                if size > 4096:
                    sample(side, f"{label}-rate", outcome.requests * size / outcome.elapsed / 1e6, "MB/s")
                else:
                    sample(side, f"{label}-rate", outcome.requests / outcome.elapsed, "/s")
                sample(side, f"{label}-guest-cpu", used[0] / outcome.requests * 1e6, f"us/{unit}")
                sample(side, f"{label}-dom0-cpu", used[1] / outcome.requests * 1e6, f"us/{unit}")
                wall = min(outcome.elapsed, time.monotonic() - began) if label != "flush" else time.monotonic() - began
                sample(side, f"{label}-guest-share", min(used[0] / wall, 1) * 100, "%")
                sample(side, f"{label}-dom0-share", min(used[1] / wall, 1) * 100, "%")
                sample(side, f"{label}-p50", outcome.p50, "us")
                sample(side, f"{label}-p99", outcome.p99, "us")
                if first and label != "flush":
                    counted(side, label, guest, lambda: run(guest, TRACED_SECONDS), unit)
            except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                errors += 1
                failed(f"{label} on {side}", " ".join(f"{type(error).__name__} {error}".split()))
        if first:
            try:
                right = kind.verify(guest)
                print(f"test {right >> 20} MiB are read as they were written, {side} ... ok", flush=True)
            except (OSError, ValueError, KeyError) as error:
                errors += 1
                failed(f"what is written is read, {side}", " ".join(str(error).split()))
    return errors


def counted(side, label, guest, run, unit):
    with xentrace.Window(activity(guest), lead=1.2, seconds=0.8) as window:
        outcome = run()
    units, trace = window.units(outcome.requests), window.trace
    calls = trace.hypercalls[guest.domid]
    sample(side, f"{label}-hypercalls", sum(calls.values()) / units, f"/{unit}")
    sample(side, f"{label}-events-sent", calls[xentrace.SEND] / units, f"/{unit}")
    sample(side, f"{label}-wakes", trace.wakes[guest.domid] / units, f"/{unit}")
    sample(side, f"{label}-dom0-events", trace.hypercalls[0][xentrace.SEND] / units, f"/{unit}")
    named = ", ".join(f"{name} {count / units:.3g}" for name, count in calls.most_common(6))
    print(f"note: {label} on {side}, hypercalls a {unit}: {named}", flush=True)
    if trace.lost:
        print(f"note: {label} on {side}: {trace.lost} records of the trace are lost", flush=True)


def with_image(config):
    """Gives a Linux guest the image as its second disk."""
    with open(config) as file:
        text = file.read()
    new = re.sub(r"^disk = \[", f'disk = [ "format=raw,vdev=xvdb,access=rw,target={IMAGE}",', text, count=1, flags=re.MULTILINE)
    if new == text:
        raise OSError(f"{config} has no disks")
    with open(config, "w") as file:
        file.write(new)


def main():
    rounds, duration = int(sys.argv[1]), int(sys.argv[2])
    sides, labels = sys.argv[3].split(","), sys.argv[4].split(",")
    copy_own("blkbench", ["minios"])
    if "linux" in sides:
        copy_own("blk", ["linux"])
        with_image(f"{OWN}blk-linux.cfg")
    about()
    # A parser that is wrong would be believed.
    xentrace.test()
    xen, errors = Xen(), 0
    for number in range(rounds):
        for side in sides:
            print(f"round {number + 1} of {rounds}: {side}", flush=True)
            try:
                errors += turn(xen, side, labels, duration, number == 0)
            except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                errors += 1
                failed(f"{side} takes its turn", " ".join(str(error).split()))
    return 1 if errors else 0


sys.exit(main())
