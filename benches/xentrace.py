"""Xen's trace of a running load: how many hypercalls and wake-ups each domain has. Runs in dom0.

A record is a word (event in bits 0 to 27, number of further words in bits 28 to 30, bit 31: eight bytes of time come first) and what it
says. `python3 xentrace.py` tests the parser.
"""

import collections
import dataclasses
import glob
import os
import re
import signal
import struct
import subprocess
import threading
import time

CPU_CHANGE, LOST_RECORDS = 0x1F003, 0x1F002
# The states' bits, old in 8 and 9, new in 4 and 5, are cut off.
RUNSTATE_CHANGE, RUNSTATE_MASK = 0x21001, 0xFFFF00F
# The scheduler has looked, and the same vCPU goes on.
CONTINUES = 0x21002
RUNNING, RUNNABLE, BLOCKED = 0, 1, 2
HYPERCALL, SUBCALLS = 0x20100D, (0x20100E, 0x20200E)
# The classes of scheduling and of what paravirtual guests do.
EVENTS = 0x22F000
HYPERCALLS = {
    0: "set_trap_table", 1: "mmu_update", 3: "stack_switch", 5: "fpu_taskswitch", 10: "update_descriptor", 12: "memory_op", 13: "multicall",
    14: "update_va_mapping", 15: "set_timer_op", 17: "xen_version", 18: "console_io", 20: "grant_table_op", 23: "iret", 24: "vcpu_op",
    25: "set_segment_base", 26: "mmuext_op", 29: "sched_op", 32: "event_channel_op", 33: "physdev_op",
}  # fmt: skip
SEND = "event_channel_op"


@dataclasses.dataclass
class Trace:
    """By domain: hypercalls by name, those inside of multicalls, and how often a sleeping vCPU was woken."""

    ticks: int = 0
    lost: int = 0
    hypercalls: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(collections.Counter))
    subcalls: dict = dataclasses.field(default_factory=lambda: collections.defaultdict(collections.Counter))
    wakes: collections.Counter = dataclasses.field(default_factory=collections.Counter)


def records(data):
    """Event, time or None, and the further words of each record; ends at one that is cut off."""
    at = 0
    while at + 4 <= len(data):
        (head,) = struct.unpack_from("<I", data, at)
        timed, count = head >> 31, head >> 28 & 7
        end = at + 4 + 8 * timed + 4 * count
        if end > len(data):
            return
        stamp = struct.unpack_from("<Q", data, at + 4)[0] if timed else None
        yield head & 0xFFFFFFF, stamp, struct.unpack_from(f"<{count}I", data, at + 4 + 8 * timed)
        at = end


class Cpu:
    """Which domain a processor runs. What comes before that is known belongs to the one that is first seen to have run."""

    def __init__(self, trace):
        self.trace, self.domain, self.early = trace, None, []

    def call(self, what, number):
        name = HYPERCALLS.get(number, str(number))
        if self.domain is None:
            self.early.append((what, name))
        else:
            what[self.domain][name] += 1

    def has_run(self, domain):
        for what, name in self.early:
            what[domain][name] += 1
        self.early = []
        self.domain = domain


def parse(data):
    trace, first, last = Trace(), None, None
    cpus, cpu = collections.defaultdict(lambda: Cpu(trace)), None
    for event, stamp, words in records(data):
        if stamp is not None:
            first = stamp if first is None else min(first, stamp)
            last = stamp if last is None else max(last, stamp)
        if not words:
            continue
        if event == CPU_CHANGE:
            cpu = words[0]
        elif event == LOST_RECORDS:
            trace.lost += words[0]
        elif event == CONTINUES:
            cpus[cpu].has_run(words[0] >> 16)
        elif event & RUNSTATE_MASK == RUNSTATE_CHANGE:
            domain, old, new = words[0] >> 16, event >> 8 & 3, event >> 4 & 3
            if old == RUNNING:
                cpus[cpu].has_run(domain)
            if new == RUNNING:
                # What is not known to have run before never will be.
                cpus[cpu].early = []
                cpus[cpu].domain = domain
            elif old == BLOCKED and new == RUNNABLE:
                trace.wakes[domain] += 1
        elif event == HYPERCALL:
            cpus[cpu].call(trace.hypercalls, words[0] & 0xFFFFF)
        elif event in SUBCALLS:
            cpus[cpu].call(trace.subcalls, words[0] & 0xFFFFF)
    trace.ticks = last - first if first is not None else 0
    return trace


def ticks_per_second():
    text = subprocess.run(["xl", "info"], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"cpu_mhz\s*:\s*([\d.]+)", text).group(1)) * 1e6


def record(seconds, path="/run/trace.bin"):
    """Traces all processors for so long."""
    program = sorted(glob.glob("/usr/lib/xen-*/bin/xentrace") + glob.glob("/usr/sbin/xentrace"))[0]
    tracer = subprocess.Popen([program, "-D", "-e", hex(EVENTS), "-S", "512", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    tracer.send_signal(signal.SIGTERM)
    tracer.wait(20)
    with open(path, "rb") as file:
        data = file.read()
    os.remove(path)
    return parse(data)


class Window:
    """A trace in the midst of a load, beside a counter that goes up with the load's units (`activity`)."""

    def __init__(self, activity, lead=0.4, seconds=1.0):
        self.activity, self.lead, self.seconds, self.error = activity, lead, seconds, None

    def __enter__(self):
        self.before = self.activity()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        try:
            time.sleep(self.lead)
            start, moved = time.monotonic(), self.activity()
            self.trace = record(self.seconds)
            self.moved, self.wall = self.activity() - moved, time.monotonic() - start
        except (OSError, IndexError, subprocess.SubprocessError) as error:
            self.error = error

    def __exit__(self, *_):
        self.thread.join()
        self.all_moved = self.activity() - self.before

    def units(self, whole):
        """How many of the load's units are in the trace, of so many in the whole load."""
        if self.error:
            raise OSError(f"no trace: {self.error}")
        if not self.moved or not self.trace.ticks:
            raise OSError("nothing happened in the traced second")
        return whole * self.moved / self.all_moved * (self.trace.ticks / ticks_per_second()) / self.wall


def word(event, *words, stamp=None):
    head = event | len(words) << 28 | (stamp is not None) << 31
    return struct.pack("<I", head) + (b"" if stamp is None else struct.pack("<Q", stamp)) + struct.pack(f"<{len(words)}I", *words)


def test():
    def state(old, new, domain):
        return word(RUNSTATE_CHANGE | old << 8 | new << 4, domain << 16, stamp=1000)

    data = word(CPU_CHANGE, 0, 64) + word(HYPERCALL, 29, stamp=900)  # of a domain that is not known yet
    data += state(RUNNABLE, RUNNING, 0) + word(HYPERCALL, 20 | 1 << 20, 7, stamp=1100)
    data += word(CPU_CHANGE, 1, 64) + state(BLOCKED, RUNNABLE, 5) + state(RUNNABLE, RUNNING, 5)
    data += word(HYPERCALL, 13, stamp=1200) + word(0x20200E, 14, stamp=1200) * 3 + word(HYPERCALL, 99, stamp=2900)
    data += word(CPU_CHANGE, 0, 64) + word(HYPERCALL, 32, stamp=1300) + word(LOST_RECORDS, 4, 0, 0, 0)
    whole = parse(data)
    assert whole.hypercalls == {0: {"grant_table_op": 1, SEND: 1}, 5: {"multicall": 1, "99": 1}}, whole.hypercalls
    assert whole.subcalls == {5: {"update_va_mapping": 3}}, whole.subcalls
    assert (whole.wakes, whole.ticks, whole.lost) == ({5: 1}, 2000, 4), whole
    # A processor that one domain has all the time says so only when the scheduler looks.
    busy = word(CPU_CHANGE, 0, 64) + word(HYPERCALL, 32, stamp=1) * 2 + word(CONTINUES, 3 << 16, stamp=2) + word(HYPERCALL, 32, stamp=3)
    assert parse(busy).hypercalls == {3: {SEND: 3}}, parse(busy).hypercalls
    leaves = word(CPU_CHANGE, 0, 64) + word(HYPERCALL, 32, stamp=1) + state(RUNNING, BLOCKED, 4) + state(RUNNABLE, RUNNING, 6) + word(HYPERCALL, 29, stamp=3)
    assert parse(leaves).hypercalls == {4: {SEND: 1}, 6: {"sched_op": 1}}, parse(leaves).hypercalls
    # Cut anywhere, it says what is there and no more.
    for end in range(len(data)):
        assert sum(sum(calls.values()) for calls in parse(data[:end]).hypercalls.values()) <= 4
    assert parse(b"").ticks == 0


if __name__ == "__main__":
    test()
