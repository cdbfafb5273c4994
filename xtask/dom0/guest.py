"""A guest as seen from dom0: xl's commands, and the log of the guest's console. Runs in the testbed's dom0."""

import os
import re
import subprocess
import time

LOGS = "/var/log/xen"


class Failed(Exception):
    """What went wrong, in words for the report."""


def xl(*words, timeout=60, check=True):
    """Runs xl and returns what it printed."""
    try:
        done = subprocess.run(["xl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"xl {' '.join(words)} takes more than {timeout} s") from None
    if check and done.returncode != 0:
        raise Failed(f"xl {' '.join(words)}: exit code {done.returncode}: {done.stdout.strip()[:1000]}")
    return done.stdout


class Guest:
    """One run of a guest. Its name is that of its configuration in /host."""

    def __init__(self, name, *settings, paused=False):
        self.name = name
        self.log_path = f"{LOGS}/guest-{name}.log"
        # Logs of several runs follow each other in one file.
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        self.shown = 0
        try:
            xl("create", *(["-p"] if paused else []), f"/host/{name}.cfg", *settings)
        except Failed:
            xl("destroy", name, check=False)
            raise

    def _xl_log(self):
        """The log of xl's daemon; each `xl create` starts a new one."""
        try:
            with open(f"{LOGS}/xl-{self.name}.log", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def console(self):
        """What this run of the guest has printed."""
        try:
            with open(self.log_path, "rb") as file:
                file.seek(self.log_start)
                return file.read().decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            return ""

    def show(self):
        """Prints what is new on the console."""
        text = self.console()
        for line in text[self.shown:].splitlines():
            print(f"{self.name}| {line}", flush=True)
        self.shown = len(text)

    def exists(self):
        return xl("domid", self.name, check=False).strip().isdigit()

    def is_dead(self):
        """Whether it has shut down or crashed and is preserved."""
        lines = xl("list", self.name, check=False).splitlines()
        state = lines[-1].split()[-2] if len(lines) > 1 else ""
        return "s" in state or "c" in state

    def wait_console(self, pattern, limit=30):
        """The match of `pattern` on the console."""
        deadline = time.monotonic() + limit
        while True:
            alive = self.exists()
            found = re.search(pattern, self.console(), re.MULTILINE)
            if found:
                return found
            if not alive:
                raise Failed(f"the guest went down before it printed `{pattern}`")
            if time.monotonic() > deadline:
                raise Failed(f"the guest does not print `{pattern}` within {limit} s")
            time.sleep(0.05)

    def wait_gone(self, limit=30):
        """Until the guest has ended, whether xl preserves it or not."""
        deadline = time.monotonic() + limit
        while self.exists():
            if self.is_dead():
                return
            if time.monotonic() > deadline:
                raise Failed(f"the guest is still there after {limit} s")
            time.sleep(0.05)

    def reason(self, limit=5):
        """Why it shut down, as xl was told: 0 poweroff, 1 reboot, 3 crash."""
        deadline = time.monotonic() + limit
        while True:
            found = re.findall(r"has shut down, reason code (\d+)", self._xl_log())
            if found:
                return int(found[-1])
            if time.monotonic() > deadline:
                raise Failed("xl's log names no reason for the shutdown")
            time.sleep(0.05)

    def shutdown(self, limit=30):
        """`xl shutdown -w`, after which the guest has powered off cleanly or an error is raised."""
        xl("shutdown", "-w", self.name, timeout=limit)
        self.wait_gone()
        if self.reason() != 0:
            raise Failed(f"shutdown reason {self.reason()} and not 0 (poweroff)")

    def destroy(self):
        xl("destroy", self.name, check=False)


def test(name, function):
    """Runs a test and prints its line; true if it passed."""
    try:
        function()
    except (Failed, OSError, AssertionError, ValueError, subprocess.SubprocessError) as error:
        reason = " ".join(f"{type(error).__name__ if not isinstance(error, Failed) else ''} {error}".split())
        print(f"test {name} ... FAILED: {reason}", flush=True)
        return False
    print(f"test {name} ... ok", flush=True)
    return True


def figure(name, value, unit):
    print(f"figure {name} {value:g} {unit}", flush=True)
