"""Measures the router beside Linux that forwards, in turns: one guest exists at a time, between the two machines of two_networks.py.

Usage: router.py ROUNDS SECONDS SIDE[,SIDE...]
Sides are `minios`, with its stateful filter; `linux`, which forwards without filter or connection tracking; and `minios-nat`, which
masquerades too. For each turn it prints lines `sample SIDE NAME VALUE UNIT`; what is not as it should be is
`test NAME ... FAILED: REASON`.
"""

import json
import os
import subprocess
import sys
import time

import two_networks as networks
from measure import Xen, failed, sample, xl
from two_networks import INTERFACES, V4, on

COMMON = """
type = "pv"
vcpus = 1
vif = [ "mac=00:16:3e:00:01:60,bridge=rtr0", "mac=00:16:3e:00:01:61,bridge=rtr1" ]
"""
LINUX = 'name = "linux"\nkernel = "/boot/vmlinux"\nramdisk = "/host/router-linux"\ncmdline = "console=hvc0 quiet"\nmemory = 128\n'


def minios(name, *rules):
    words = " ".join(f'\\"{rule}\\"' for rule in (*INTERFACES, *rules))
    return f'name = "{name}"\nkernel = "/host/router.gz"\nmemory = 16\ncmdline = "-- {words}"\n'


SIDES = {
    "minios": minios("minios", "default accept"),
    "minios-nat": minios("minios-nat", "default accept", "masquerade out 1"),
    "linux": LINUX,
}


class Turn:
    """The time that guest and dom0 have run since it began."""

    def __init__(self, xen, domid):
        self.xen, self.domid = xen, domid
        self.before = time.monotonic(), xen.cpu_ns(domid), xen.cpu_ns(0)

    def shares(self, side, label, amount, unit):
        wall, guest, dom0 = (now - then for now, then in zip((time.monotonic(), self.xen.cpu_ns(self.domid), self.xen.cpu_ns(0)), self.before))
        sample(side, f"{label}-guest-cpu", guest / 1000 / amount, unit)
        sample(side, f"{label}-dom0-cpu", dom0 / 1000 / amount, unit)
        sample(side, f"{label}-guest-share", guest / wall / 1e7, "%")
        sample(side, f"{label}-dom0-share", dom0 / wall / 1e7, "%")


def iperf(duration, *words):
    command = on(0, "iperf3", "-J", "-c", V4[1], "-t", str(duration), *words)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=duration + 60)
    report = json.loads(done.stdout)
    if "error" in report:
        raise OSError(f"iperf3 {' '.join(words)}: {report['error']}")
    return report["end"]


def turn(xen, side, duration):
    config = f"/tmp/{side}.cfg"
    with open(config, "w") as file:
        file.write(SIDES[side] + COMMON)
    networks.forget()
    server = subprocess.Popen(on(1, "iperf3", "-s"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    start = time.monotonic()
    xl("create", config)
    try:
        ping = on(0, "ping", "-c", "1", "-W", "1", V4[1])
        while subprocess.run(ping, stdout=subprocess.DEVNULL).returncode != 0:
            if time.monotonic() - start > 60:
                raise OSError(f"{side} does not forward within 60 s")
        sample(side, "create-to-forwarding", (time.monotonic() - start) * 1000, "ms")
        domid = int(xl("domid", side))
        iperf(1)
        clock = Turn(xen, domid)
        sums = iperf(duration, "-u", "-l", "64", "-b", "0")["sum"]
        arrived = sums["packets"] - sums["lost_packets"]
        sample(side, "udp64-rate", arrived / sums["seconds"], "packets/s")
        sample(side, "udp64-lost", 100 * sums["lost_packets"] / max(sums["packets"], 1), "%")
        clock.shares(side, "udp64", max(arrived, 1), "us/packet")
        for label, words in (("tcp-out", ()), ("tcp-back", ("-R",))):
            clock = Turn(xen, domid)
            sums = iperf(duration, *words)["sum_received"]
            sample(side, f"{label}-rate", sums["bits_per_second"] / 1e6, "Mbit/s")
            clock.shares(side, label, max(sums["bytes"], 1) / 2**20, "us/MiB")
    finally:
        server.kill()
        server.wait()
        xl("destroy", side, check=False)


def main():
    rounds, duration, sides = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(",")
    networks.make()
    xen, errors = Xen(), 0
    for number in range(rounds):
        for side in sides:
            print(f"round {number + 1} of {rounds}: {side}", flush=True)
            try:
                turn(xen, side, duration)
            except (OSError, KeyError, ValueError, subprocess.SubprocessError) as error:
                errors += 1
                failed(f"{side} takes its turn", " ".join(str(error).split())[-400:])
                log = f"/var/log/xen/guest-{side}.log"
                if os.path.exists(log):
                    with open(log, errors="replace") as file:
                        print(file.read()[-1500:], flush=True)
    return 1 if errors else 0


sys.exit(main())
