"""Two networks in dom0 for a router to stand between: bridges rtr0 and rtr1, and on each a machine, the namespaces near and far."""

import contextlib
import ctypes
import os
import subprocess

NAMES = ("near", "far")
BRIDGES = ("rtr0", "rtr1")
# The machines' addresses; the router has .1 and ::1.
V4 = ("10.11.0.2", "10.12.0.2")
V6 = ("fd00:11::2", "fd00:12::2")
INTERFACES = ("interface 0 10.11.0.1/24 fd00:11::1/64", "interface 1 10.12.0.1/24 fd00:12::1/64")
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*words, check=True):
    return subprocess.run([str(word) for word in words], check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def make():
    """Makes them, if they are not there."""
    for number, (name, bridge) in enumerate(zip(NAMES, BRIDGES)):
        if os.path.exists(f"/run/netns/{name}"):
            continue
        network = 11 + number
        run("ip", "link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
        # dom0 itself takes no part.
        with open(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6", "w") as file:
            file.write("1")
        run("ip", "link", "set", bridge, "up")
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"ve-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", f"ve-{name}", "master", bridge, "up")
        inside = ("ip", "-n", name)
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "addr", "add", f"{V4[number]}/24", "dev", "eth0")
        run(*inside, "addr", "add", f"{V6[number]}/64", "dev", "eth0", "nodad")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", f"10.{network}.0.1")
        run(*inside, "-6", "route", "add", "default", "via", f"fd00:{network}::1")


def forget():
    """Has the machines forget neighbours and path MTUs."""
    for name in NAMES:
        run("ip", "-n", name, "neigh", "flush", "dev", "eth0", check=False)
        for family in ("-4", "-6"):
            run("ip", "-n", name, family, "route", "flush", "cache", check=False)


def remove():
    for name, bridge in zip(NAMES, BRIDGES):
        run("ip", "netns", "del", name, check=False)
        run("ip", "link", "del", bridge, check=False)


@contextlib.contextmanager
def inside(number):
    """What is opened within belongs to a machine: sockets stay where they were made."""
    own, other = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{NAMES[number]}", os.O_RDONLY)
    try:
        if LIBC.setns(other, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if LIBC.setns(own, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(own)
        os.close(other)


def on(number, *words):
    """The words of a command that runs on a machine."""
    return ("ip", "netns", "exec", NAMES[number], *words)
