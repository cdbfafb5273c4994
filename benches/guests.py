"""Guests of the measurements: the files that they need in dom0's own memory, and their life. Runs in dom0."""

import os
import re
import shutil
import subprocess
import threading
import time

from measure import xl

SHARE, OWN = "/host/", "/run/bench/"
# What a guest is called that does as `program` does: this behind the name.
SUFFIX = {"linux": "-linux"}


def copy_own(program, sides):
    """Copies the configurations of a program, and the files that they name, to OWN."""
    os.makedirs(OWN, exist_ok=True)
    for side in sides:
        config = f"{program}{SUFFIX.get(side, '')}.cfg"
        with open(SHARE + config) as file:
            text = file.read()
        for path in re.findall(rf"{SHARE}([^\s\",]+)", text):
            if not os.path.exists(OWN + path):
                os.makedirs(os.path.dirname(OWN + path), exist_ok=True)
                shutil.copyfile(SHARE + path, OWN + path)
        with open(OWN + config, "w") as file:
            file.write(text.replace(SHARE, OWN))


def addresses(config):
    """IP and hardware address of the first vif; nothing for a guest without."""
    with open(config) as file:
        text = file.read()
    found = re.search(r"\bip=([\d.]+)", text), re.search(r"mac=([0-9a-f:]+)", text)
    return [match.group(1) for match in found] if all(found) else None


def change(config, old, new):
    """Puts one text in the place of another, which must be there."""
    with open(config) as file:
        text = file.read()
    if old not in text:
        raise OSError(f"{config} does not say {old}")
    with open(config, "w") as file:
        file.write(text.replace(old, new))


def show_log(guest):
    log = f"/var/log/xen/guest-{guest}.log"
    if os.path.exists(log):
        with open(log, errors="replace") as file:
            print(file.read()[-1500:], flush=True)


class Guest:
    """A guest from `xl create` to `xl destroy`; `question` is what its service is asked first."""

    def __init__(self, side, program, memory=None, paused=False, unwatched=False):
        self.name = program + SUFFIX.get(side, "")
        self.side, self.program, self.memory = side, program, memory
        # Without `-e` a process of xl's stays in dom0 with each guest, and a hundred of them are more than its memory.
        self.flags = ["-p"] * paused + ["-e"] * unwatched

    def __enter__(self):
        log = f"/var/log/xen/guest-{self.name}.log"
        if os.path.exists(log):
            os.truncate(log, 0)
        config = f"{OWN}{self.name}.cfg"
        found = addresses(config)
        if found:
            self.address, mac = found
            # dom0 would ask for the address once a second only, and that would be measured.
            subprocess.run(["ip", "neigh", "replace", self.address, "lladdr", mac, "dev", "xenbr0", "nud", "permanent"], check=True)
        words = [config] + self.flags + ([f"memory={self.memory}"] if self.memory else [])
        self.started = time.monotonic()
        self.create = subprocess.Popen(["xl", "create", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.waiter = threading.Thread(target=self.wait_created, daemon=True)
        self.waiter.start()
        return self

    def wait_created(self):
        self.create.wait()
        self.create_ended = time.monotonic()

    def created(self):
        """Waits for `xl create`, which lets the guest run as the last thing it does; the time it came to its end."""
        self.waiter.join(120)
        if self.waiter.is_alive():
            raise OSError(f"xl create {self.name} takes more than 120 s")
        if self.create.returncode != 0:
            raise OSError(f"xl create {self.name}: {self.create.stderr.read().strip()[-300:]}")
        self.domid = int(xl("domid", self.name))
        return self.create_ended

    def __exit__(self, kind, error, trace):
        if self.create.poll() is None:
            self.create.kill()
        if kind is not None and not isinstance(error, KeyboardInterrupt):
            show_log(self.name)
        xl("destroy", self.name, check=False)
        # The next guest shall find the memory and the disk free.
        for _ in range(100):
            if subprocess.run(["xl", "domid", self.name], capture_output=True, check=False).returncode != 0:
                break
            time.sleep(0.05)
