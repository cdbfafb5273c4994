"""Guests through xl: create, look at, wait for, destroy; and the tools of dom0 that tests need.

`Guest` is the main thing here. Whatever a test waits for has a time-out, and says what it waited for when that passes.
"""

import os
import re
import subprocess
import time

HOST = "/host"
LOGS = "/var/log/xen"
# Where tests put disks and archives of their own: dom0's root disk, not its memory.
SCRATCH = "/var/tmp/guest-tests"
REASONS = {0: "poweroff", 1: "reboot", 2: "suspend", 3: "crash", 4: "watchdog"}
# The domain stays after its end, so that the reason can be read.
PRESERVE = ('on_poweroff="preserve"', 'on_reboot="preserve"', 'on_crash="preserve"')


class Failure(Exception):
    """What a test found wrong."""


def check(condition, reason):
    if not condition:
        raise Failure(reason)


def equal(found, wanted, what):
    if found != wanted:
        raise Failure(f"{what}: {found!r}, not {wanted!r}")


def run(*words, timeout=60, strict=True):
    """Runs a command of dom0 and returns its exit code and its two outputs as one text."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, errors="replace")
    except subprocess.TimeoutExpired as late:
        raise Failure(f"`{' '.join(words)}` did not end within {timeout} s: {late.output}") from None
    if strict and done.returncode != 0:
        raise Failure(f"`{' '.join(words)}` ended with {done.returncode}: {done.stdout.strip()}")
    return done.returncode, done.stdout


def output(*words, timeout=60):
    return run(*words, timeout=timeout)[1]


def wait_until(condition, what, timeout=10, step=0.05):
    """Waits for `condition()` to be true and returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"{what}: not within {timeout} s")
        time.sleep(step)


def host_file(name):
    """The path of an input of the suite; that it is missing is a failure."""
    path = os.path.join(HOST, name)
    check(os.path.exists(path), f"the input {path} is missing")
    return path


def scratch(name):
    os.makedirs(SCRATCH, exist_ok=True)
    return os.path.join(SCRATCH, name)


def store_read(path):
    """A value of XenStore, or None."""
    code, text = run("xenstore-read", path, strict=False)
    return text.rstrip("\n") if code == 0 else None


def store_write(path, value):
    output("xenstore-write", "--", path, value)


def store_list(path):
    code, text = run("xenstore-list", path, strict=False)
    return text.split() if code == 0 else []


def domains():
    """What `xl list -v` says of each domain but dom0: name -> (domid, state flags, reason)."""
    found = {}
    code, text = run("xl", "list", "-v", strict=False)
    if code < 0:
        # xl itself has crashed, seen once while a domain was being made.
        text = output("xl", "list", "-v")
    else:
        check(code == 0, f"`xl list -v` ended with {code}: {text.strip()}")
    for line in text.splitlines()[1:]:
        match = re.match(r"(.*?)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+([\d.]+)\s+(\S+)\s+(\S+)", line)
        if match and match[2] != "0":
            reason = REASONS.get(int(match[8])) if match[8].isdigit() else None
            found[match[1]] = (int(match[2]), match[5], reason)
    return found


def vif(address=None, bridge="xenbr0", **more):
    """A `vif=` entry; the MAC belongs to the address, so that dom0's neighbour table stays right."""
    mac = f"00:16:3e:00:01:{address:02x}" if address else None
    fields = {"mac": mac, "bridge": bridge, **more}
    return ",".join(f"{key}={value}" for key, value in fields.items() if value)


def vifs(*entries):
    return "vif=[" + ",".join(f"'{entry}'" for entry in entries) + "]"


def disks(*entries):
    """`(path, vdev, access)` of raw files."""
    texts = (f"'format=raw,vdev={vdev},access={access},target={path}'" for path, vdev, access in entries)
    return "disk=[" + ",".join(texts) + "]"


class Domain:
    """A domain by its `name`; `with` destroys it. `name` as an argument is that of another one that belongs to it."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    def find_domid(self, name=None):
        code, text = run("xl", "domid", name or self.name, strict=False)
        return int(text) if code == 0 and text.strip().isdigit() else None

    def cpu_seconds(self, name=None):
        """The CPU time so far, to a tenth of a second: what `xl list` tells."""
        return float(output("xl", "list", name or self.name).splitlines()[1].split()[-1])

    def end(self, name):
        """Destroys it whatever state it is in."""
        for _ in range(3):
            if self.find_domid(name) is None:
                return
            run("xl", "destroy", name, strict=False)
        check(self.find_domid(name) is None, f"xl destroy {name} does not end the domain")


class Guest(Domain):
    """A domain made from NAME.cfg with some keys overridden; `with` destroys it."""

    alive = []
    latest = []
    count = 0

    def __init__(self, config, *overrides, cmdline=None, keep=True, paused=False):
        Guest.count += 1
        self.config = config
        self.name = f"{config}-{Guest.count}"
        self.log = f"{LOGS}/guest-{self.name}.log"
        self.domid = None
        words = [f'name="{self.name}"', *(PRESERVE if keep else ()), *overrides]
        if cmdline is not None:
            escaped = cmdline.replace("\\", "\\\\").replace('"', '\\"')
            words.append(f'cmdline="{escaped}"')
        if os.path.exists(self.log):
            os.remove(self.log)
        Guest.alive.append(self)
        Guest.latest.append(self)
        del Guest.latest[:-3]
        flags = ["-p"] if paused else []
        output("xl", "create", "-q", *flags, host_file(f"{config}.cfg"), *words)
        self.domid = self.find_domid()

    def console(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def expect(self, pattern, timeout=15):
        """Waits for the console to match a regular expression."""
        what = f"the console of {self.name} says {pattern!r}"
        return wait_until(lambda: re.search(pattern, self.console(), re.M), what, timeout, 0.02)

    def never_said(self, *patterns):
        for pattern in patterns or ("PANIC", "CRASH"):
            match = re.search(f"^.*(?:{pattern}).*$", self.console(), re.M)
            check(not match, f"the console of {self.name} has {match and match[0]!r}")

    def ended(self, reason, timeout=20):
        """Waits for the end of the guest, of which xl has to say the given reason; returns the console."""
        def state():
            entry = domains().get(self.name)
            check(entry, f"{self.name} is gone although it was to be preserved")
            return entry[2] or ("c" in entry[1] and "crash")
        found = wait_until(state, f"{self.name} ends", timeout, 0.2)
        equal(found, reason, f"the end of {self.name} as xl sees it")
        return self.console()

    def path(self, path=""):
        return f"/local/domain/{self.domid}/{path}".rstrip("/")

    def store(self, path):
        return store_read(self.path(path))

    def backend(self, kind, device):
        return f"/local/domain/0/backend/{kind}/{self.domid}/{device}"

    def xl(self, *words, timeout=60):
        return output("xl", words[0], *words[1:-1], self.name, *words[-1:]) if len(words) > 1 else \
            output("xl", words[0], self.name, timeout=timeout)

    def destroy(self):
        """Ends the domain whatever state it is in."""
        if self in Guest.alive:
            Guest.alive.remove(self)
        self.end(self.name)


SHARED = {}


def shared(key, make):
    """A guest that several tests of a group use; it ends with the group, or with a test that fails."""
    guest = SHARED.get(key)
    if guest is None or guest not in Guest.alive:
        guest = SHARED[key] = make()
    return guest


def destroy_all(but_shared=False):
    for guest in list(Guest.alive):
        if not (but_shared and guest in SHARED.values()):
            guest.destroy()
    if not but_shared:
        SHARED.clear()
