"""Measures the network of guests: ours beside Linux with the same root disk, in turns. Runs in dom0.

Usage: net.py ROUNDS SECONDS SIDE[,SIDE] LOAD[,LOAD...]
Sides are `minios` and `linux` (programs of Debian and netbench.c) and `native` (the examples httpd and echo); loads are those of LOADS. Each
load is traced once for a second, in a further run that counts for nothing else. It prints lines `sample SIDE NAME VALUE UNIT`; what is not as it should be is
`test NAME ... FAILED: REASON`.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter

import xentrace
from guests import OWN, Guest, change, copy_own
from measure import HTTP_QUESTION, Xen, about, failed, first_answer, sample, seconds

DOM0 = "10.0.0.1"
MIB = 1 << 20
TRACED_SECONDS = 2
IDLE = 1000


def run(*words, limit=120):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit)
    if done.returncode != 0:
        raise OSError(f"{' '.join(words)}: {' '.join(done.stdout.split())[-300:]}")
    return done.stdout


def netbench(*words):
    text = run(f"{OWN}netbench", *map(str, words)).strip()
    numbers = text.split("\n")[-1].split()
    try:
        return [float(number) for number in numbers]
    except ValueError:
        raise OSError(f"netbench {' '.join(map(str, words))}: {text[-300:]}") from None


class Outcome:
    """What a load came to: units in all, its rate in the unit of the table, and further figures by name."""

    def __init__(self, units, rate, **more):
        self.units, self.rate, self.more = units, rate, more


def iperf3(guest, *words):
    """What its receiver has got."""
    done = subprocess.run(["iperf3", "-c", guest.address, "-J", *words], stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    result = json.loads(done.stdout)
    if "error" in result:
        raise OSError(f"iperf3: {result['error']}")
    return result["end"]["sum_received"]


def bulk(streams, backwards):
    def load(guest, duration, _second):
        got = iperf3(guest, "-t", str(duration), "-P", str(streams), *["-R"] * backwards)
        return Outcome(got["bytes"] / MIB, got["bytes"] / got["seconds"] / 1e6)

    return load


def echo(guest):
    """Where it echoes, for netbench."""
    return guest.address + ":7" * (guest.program == "echo")


def exchanges(mode, streams):
    def load(guest, duration, _second):
        rate, median, high = netbench(mode, echo(guest), duration, streams)
        return Outcome(rate * duration, rate, p50=median / 1000, p99=high / 1000)

    return load


def datagrams(outwards):
    def load(guest, duration, _second):
        words = ("udp", guest.address, duration, 64)
        received, sent = netbench("ask", guest.address, "udp", DOM0, duration, 64) if outwards else netbench(*words)
        return Outcome(received * duration, received, lost=100 * (1 - received / sent) if sent else 0)

    return load


def between_guests(guest, duration, second):
    (rate,) = netbench("ask", guest.address, "bulk", second.address, duration, 1)
    return Outcome(rate * duration / MIB, rate / 1e6)


def web(connections):
    def load(guest, duration, _second):
        path = "small.txt" if guest.side == "native" else "index.html"
        text = run("wrk", f"-c{connections}", "-t1", f"-d{duration}", "--latency", "--timeout", "2s", f"http://{guest.address}/{path}")
        found = re.search(r"(\d+) requests in ([\d.]+\w+),", text)
        if not found or int(found.group(1)) == 0:
            raise OSError(f"wrk: {' '.join(text.split())[-300:]}")
        latency = {name: seconds(re.search(rf"^\s*{name[1:]}%\s+(\S+)$", text, re.MULTILINE).group(1)) * 1000 for name in ("p50", "p99")}
        timeouts = re.search(r"timeout (\d+)", text)
        return Outcome(
            int(found.group(1)), int(found.group(1)) / seconds(found.group(2)), **latency, timeouts=int(timeouts.group(1)) if timeouts else 0
        )

    return load


class Load:
    def __init__(self, run, unit, rate_unit, sides=("minios", "linux"), programs=None, guests=1):
        self.run, self.unit, self.rate_unit, self.sides, self.guests = run, unit, rate_unit, sides, guests
        self.programs = programs or {}

    def program(self, side):
        return self.programs.get(side, "net")


SERVERS = {"native": "httpd", "linux": "nginx"}
ECHO = {"native": "echo"}
ALL = ("minios", "native", "linux")
LOADS = {
    "tcp-in-1": Load(bulk(1, False), "MiB", "MB/s"),
    "tcp-in-8": Load(bulk(8, False), "MiB", "MB/s"),
    "tcp-out-1": Load(bulk(1, True), "MiB", "MB/s"),
    "tcp-out-8": Load(bulk(8, True), "MiB", "MB/s"),
    "rr-1": Load(exchanges("rr", 1), "exchange", "/s", ALL, ECHO),
    "rr-16": Load(exchanges("rr", 16), "exchange", "/s", ALL, ECHO),
    "connect": Load(exchanges("connect", 4), "connection", "/s", ALL, ECHO),
    "udp-in": Load(datagrams(False), "datagram", "/s"),
    "udp-out": Load(datagrams(True), "datagram", "/s"),
    "idle": Load(None, "exchange", "/s", ALL, ECHO),
    "guest-to-guest": Load(between_guests, "MiB", "MB/s", guests=2),
    "web-16": Load(web(16), "request", "/s", ("native", "linux"), SERVERS),
    "web-256": Load(web(256), "request", "/s", ("native", "linux"), SERVERS),
}
MORE_UNITS = {"p50": "ms", "p99": "ms", "lost": "%", "timeouts": ""}


def packets(guest, name):
    """What the guest's vif has moved, as dom0 counts: `tx_packets` to the guest, `rx_packets` from it; a large one that is sent whole is one."""
    with open(f"/sys/class/net/vif{guest.domid}.0/statistics/{name}") as file:
        return int(file.read())


def activity(guest):
    return lambda: packets(guest, "rx_packets") + packets(guest, "tx_packets")


def measured(xen, label, load, guests, duration):
    """One run of a load."""
    first, second = guests[0], guests[-1]
    clocks = [0, *(guest.domid for guest in guests)]
    moved = [packets(first, name) for name in ("tx_packets", "rx_packets")]
    before = time.monotonic(), [xen.cpu_ns(domid) for domid in clocks]
    outcome = load.run(first, duration, second)
    wall = time.monotonic() - before[0]
    dom0, *used = ((xen.cpu_ns(domid) - then) / 1e9 for domid, then in zip(clocks, before[1]))
    if not outcome.units:
        raise OSError("nothing got through")
    side = first.side
    sample(side, f"{label}-rate", outcome.rate, load.rate_unit)
    sample(side, f"{label}-guest-cpu", sum(used) / outcome.units * 1e6, f"us/{load.unit}")
    sample(side, f"{label}-dom0-cpu", dom0 / outcome.units * 1e6, f"us/{load.unit}")
    sample(side, f"{label}-guest-share", sum(used) / wall * 100, "%")
    sample(side, f"{label}-dom0-share", dom0 / wall * 100, "%")
    for name, count, then in zip(("packets-to", "packets-from"), ("tx_packets", "rx_packets"), moved):
        sample(side, f"{label}-{name}", (packets(first, count) - then) / outcome.units, f"/{load.unit}")
    for name, value in outcome.more.items():
        sample(side, f"{label}-{name}", value, MORE_UNITS[name])


def counted(label, load, guests):
    """One run with a trace in it: what a unit takes of hypercalls and events."""
    first, second = guests[0], guests[-1]
    with xentrace.Window(activity(first)) as window:
        outcome = load.run(first, TRACED_SECONDS, second)
    units, trace = window.units(outcome.units), window.trace
    calls = sum((trace.hypercalls[guest.domid] for guest in guests), start=Counter())
    side = first.side
    sample(side, f"{label}-hypercalls", sum(calls.values()) / units, f"/{load.unit}")
    sample(side, f"{label}-events-sent", calls[xentrace.SEND] / units, f"/{load.unit}")
    sample(side, f"{label}-wakes", sum(trace.wakes[guest.domid] for guest in guests) / units, f"/{load.unit}")
    sample(side, f"{label}-dom0-events", trace.hypercalls[0][xentrace.SEND] / units, f"/{load.unit}")
    named = ", ".join(f"{name} {count / units:.3g}" for name, count in calls.most_common(6))
    print(f"note: {label} on {side}, hypercalls a {load.unit}: {named}", flush=True)
    if trace.lost:
        print(f"note: {label} on {side}: {trace.lost} records of the trace are lost", flush=True)


def free_kib(guest):
    return None if guest.program == "echo" else netbench("ask", guest.address, "free")[0]


def idle(xen, label, guest, duration):
    """Many connections that say nothing: what they cost, and one beside them that speaks."""
    free = free_kib(guest)
    start = time.monotonic()
    holder = subprocess.Popen([f"{OWN}netbench", "idle", echo(guest), str(IDLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said = holder.stdout.readline().strip()
        if said != "open":
            raise OSError(f"{IDLE} connections: {said}")
        sample(guest.side, f"{label}-opened", IDLE / (time.monotonic() - start), "/s")
        if free is not None:
            sample(guest.side, f"{label}-connection-memory", (free - free_kib(guest)) * 1024 / IDLE, "bytes")
        before = time.monotonic(), xen.cpu_ns(guest.domid)
        time.sleep(2)
        sample(guest.side, f"{label}-share", (xen.cpu_ns(guest.domid) - before[1]) / (time.monotonic() - before[0]) / 1e7, "%")
        measured(xen, label, Load(exchanges("rr", 1), "exchange", "/s"), [guest], duration)
    finally:
        holder.communicate("")


def ready(guest):
    """Waits for the guest's service."""
    if guest.program in SERVERS.values():
        first_answer(guest.address, question=HTTP_QUESTION.replace(b"small.txt", b"small.txt" if guest.side == "native" else b"index.html"))
    elif guest.program == "echo":
        first_answer(guest.address, 7, b"word", b"word")
    else:
        first_answer(guest.address, 5000, b"free\n", b"\n")
        # netbench may be first.
        deadline = time.monotonic() + 20
        while True:
            try:
                iperf3(guest, "-n", "1K")
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
    guest.created()


def second_config(side):
    """A further guest like the first, with the next address; its name."""
    name = "net-linux" if side == "linux" else "net"
    config = f"{OWN}net2{name[3:]}.cfg"
    shutil.copy(f"{OWN}{name}.cfg", config)
    for old, new in (("10.0.0.40", "10.0.0.41"), ("00:16:3e:00:00:70", "00:16:3e:00:00:71"), (f'name = "{name}"', f'name = "net2{name[3:]}"')):
        change(config, old, new)


def turn(xen, side, program, labels, duration, trace):
    """A guest and all loads that it serves; how many did not end well."""
    errors = 0
    with Guest(side, program) as guest:
        ready(guest)
        for label in labels:
            load, second = LOADS[label], None
            try:
                if label == "idle":
                    idle(xen, label, guest, duration)
                    continue
                guests = [guest]
                if load.guests == 2:
                    second_config(side)
                    second = Guest(side, "net2")
                    second.__enter__()
                    ready(second)
                    guests.append(second)
                measured(xen, label, load, guests, duration)
                if trace:
                    counted(label, load, guests)
            except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                errors += 1
                failed(f"{label} on {side}", " ".join(str(error).split()))
            finally:
                if second:
                    second.__exit__(None, None, None)
    return errors


def main():
    rounds, duration = int(sys.argv[1]), int(sys.argv[2])
    sides, labels = sys.argv[3].split(","), sys.argv[4].split(",")
    groups = {}
    for label in labels:
        for side in LOADS[label].sides:
            if side in sides:
                groups.setdefault((LOADS[label].program(side), side), []).append(label)
    for program, side in groups:
        copy_own(program, [side])
        if program == "echo":
            # With room for a thread each of the idle connections.
            change(f"{OWN}echo.cfg", "ip=dhcp,slaac", "ip=10.0.0.44/24")
            change(f"{OWN}echo.cfg", "memory = 8", "memory = 64")
    shutil.copy("/host/netbench", f"{OWN}netbench")
    for name, value in (("ip_local_port_range", "1024 65000"), ("tcp_tw_reuse", "1")):
        with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
            file.write(value)
    about(("iperf3", "--version"))
    # A parser that is wrong would be believed.
    xentrace.test()
    xen, errors = Xen(), 0
    server = subprocess.Popen([f"{OWN}netbench", "serve"], stdout=subprocess.DEVNULL)
    try:
        for number in range(rounds):
            for (program, side), loads in groups.items():
                print(f"round {number + 1} of {rounds}: {program} on {side}", flush=True)
                try:
                    errors += turn(xen, side, program, loads, duration, number == 0)
                except (OSError, subprocess.SubprocessError) as error:
                    errors += 1
                    failed(f"{program} on {side} takes its turn", " ".join(str(error).split()))
    finally:
        server.kill()
    return 1 if errors else 0


sys.exit(main())
