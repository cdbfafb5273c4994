"""Devices that come and go in a running guest: xl network-attach, xl block-attach, and their opposites, under load."""

import re
import socket
import threading
import time

from harness import Guest, check, disks, equal, output, run, store_list, vif, vifs, wait_until
from store import CLOSED, CLOSING, CONNECTED, INIT_WAIT, INITIALISED, Store, new_disk, new_vif
from suite import test

CONTROL = "10.0.0.9"


class Line:
    """A connection to the guest: a question, an answer."""

    def __init__(self, address=CONTROL):
        self.socket = socket.create_connection((address, 7), 10)
        self.socket.settimeout(30)
        self.file = self.socket.makefile("rw", newline="\n")

    def ask(self, question):
        self.file.write(question + "\n")
        self.file.flush()
        answer = self.file.readline()
        check(answer.endswith("\n"), f"{question}: the connection ended")
        return answer.rstrip("\n")

    def good(self, question, answer=None):
        found = self.ask(question)
        check(not found.startswith("error"), f"{question}: {found}")
        if answer is not None:
            equal(found, answer, question)
        return found

    def counts(self):
        return {key: int(value) for key, value in (word.split("=") for word in self.good("counts").split())}

    def close(self):
        self.file.close()
        self.socket.close()


class Traffic(threading.Thread):
    """Talks to the guest over a vif that stays, all the time."""

    def __init__(self):
        super().__init__(daemon=True)
        self.lines, self.failure, self.is_over = 0, None, False

    def run(self):
        line = Line()
        try:
            while not self.is_over:
                text = f"{self.lines} " + "x" * (self.lines * 37 % 3000)
                line.good(text, text)
                self.lines += 1
                time.sleep(0.02)
        except Exception as error:  # noqa: B902
            self.failure = error
        finally:
            line.close()

    def end(self):
        self.is_over = True
        self.join(60)
        check(self.failure is None, f"the traffic over the other vif broke off: {self.failure}")
        check(self.lines > 20, f"only {self.lines} lines went over the other vif")


def image(name, mib=4):
    """A disk in dom0's memory."""
    path = f"/tmp/{name}"
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    return path


def hotplug(*overrides, options="", **more):
    guest = Guest("hotplug", vifs(vif(9)), *overrides, cmdline=f"ip={CONTROL}/24 ip1=10.0.0.8/24 ip2=10.0.0.7/24,fd00:10::7/64 {options}", **more)
    guest.expect("port 7")
    return guest


def attach_vif(guest, address, **more):
    output("xl", "network-attach", guest.name, *vif(address, **more).split(","))


def attach_disk(guest, vdev, path, access="rw"):
    output("xl", "block-attach", guest.name, f"format=raw,vdev={vdev},access={access},target={path}")


def answers(address):
    return run("ping", "-c1", "-W1", address, strict=False)[0] == 0


@test(timeout=60)
def a_vif_that_is_attached_is_an_interface_and_none_when_it_is_detached():
    with hotplug(options="loglevel=debug") as guest:
        line = Line()
        equal(re.findall(r"vif\d+", line.good("interfaces")), ["vif0"], "the interfaces at the start")
        for _ in range(2):
            attach_vif(guest, 8)
            attach_vif(guest, 7)
            for address in ("10.0.0.8", "10.0.0.7", "fd00:10::7"):
                wait_until(lambda: answers(address), f"{address} answers")
            equal(line.good("interfaces").split("; ")[2], "vif1 10.0.0.8/24", "the second vif")
            other = Line("10.0.0.8")
            other.good("through the second", "through the second")
            output("xl", "network-detach", guest.name, "1")
            equal(re.findall(r"vif\d+", line.good("interfaces")), ["vif0", "vif2"], "the interfaces that are left")
            check(not answers("10.0.0.8"), "an address of a vif that is gone answers")
            check(answers("10.0.0.7"), "another vif does not answer")
            other.close()
            output("xl", "network-detach", guest.name, "2")
        wait_until(lambda: store_list(guest.path("device/vif")) == ["0"], "XenStore has one vif")
        line.good("still there", "still there")
        equal(line.counts()["quarantined"], 0, "lost grants")
        guest.never_said("PANIC", "CRASH", "WARN", "ERROR")


@test(timeout=60)
def a_disk_that_is_attached_can_be_opened_and_idle_ones_are_detached_at_once():
    first, second = image("first.img"), image("second.img", 6)
    with hotplug(disks((first, "xvda", "w"))) as guest:
        line = Line()
        line.good("open xvda", str(4 << 20))
        check("no disk xvdb" in line.ask("open xvdb"), "a disk that is not there can be opened")
        attach_disk(guest, "xvdb", second)
        line.good("disks", "xvda xvdb")
        line.good("open xvdb", str(6 << 20))
        line.good("check xvdb", "good")
        # Nobody uses it now; xl waits ten seconds for a guest that does not answer.
        before = line.counts()
        for disk, path in (("xvdb", second), ("xvda", first)):
            output("xl", "block-detach", guest.name, disk, timeout=6)
            wait_until(lambda: disk not in line.good("disks").split(), f"{disk} goes")
            attach_disk(guest, disk, path)
            line.good(f"check {disk}", "good")
        after = line.counts()
        equal((after["ports"], after["quarantined"]), (before["ports"], 0), "event channels, lost grants")
        # One that nobody holds is forgotten, and another may come by its name.
        line.good("close xvdb", "closed")
        output("xl", "block-detach", guest.name, "xvdb", timeout=6)
        guest.expect("xvdb: gone")
        attach_disk(guest, "xvdb", image("third.img", 5), "ro")
        line.good("open xvdb", str(5 << 20))
        check("read-only" in line.ask("check xvdb"), "another disk is taken for the old one")
        # One that was never opened does not hold xl up either.
        attach_disk(guest, "xvdc", first, "ro")
        line.good("disks", "xvda xvdb xvdc")
        output("xl", "block-detach", guest.name, "xvdc", timeout=6)
        guest.never_said("PANIC", "CRASH", "WARN", "ERROR")


WRONG_VIF = [
    ({"mac": None}, {}, "mac"), ({"mac": "00:16:3e:zz:00:01"}, {}, "00:16:3e:zz:00:01"), ({"mac": "01:16:3e:00:00:01"}, {}, "01:16:3e:00:00:01"),
    ({"mtu": "many"}, {}, "mtu"), ({"trusted": "perhaps"}, {}, "trusted"), ({"backend-id": "-1"}, {}, "backend-id"), ({"backend": "nowhere"}, {}, "nowhere"),
    ({}, {"feature-rx-copy": None}, "feature-rx-copy"), ({}, {"feature-rx-copy": "x"}, "feature-rx-copy"), ({}, {"feature-sg": "yes"}, "feature-sg"),
    ({}, {"multi-queue-max-queues": "-1"}, "multi-queue-max-queues"), ({}, {"feature-split-event-channels": "on"}, "feature-split-event-channels"),
    ({}, {"feature-gso-tcpv4": "1.5"}, "feature-gso-tcpv4"),
]
WRONG_DISK = [
    ({"backend-id": "many"}, {}, "backend-id"), ({}, {"max-ring-page-order": "x"}, "max-ring-page-order"), ({}, {"multi-queue-max-queues": "-1"}, "multi-queue-max-queues"),
    ({}, {"sectors": None}, "sectors"), ({}, {"sectors": "-5"}, "sectors"), ({}, {"sector-size": "513"}, "sector-size"), ({}, {"info": "x"}, "info"),
    ({}, {"feature-flush-cache": "yes"}, "feature-flush-cache"), ({}, {"feature-max-indirect-segments": "many"}, "feature-max-indirect-segments"),
    ({}, {"feature-persistent": "?"}, "feature-persistent"), ({}, {"feature-discard": "on"}, "feature-discard"),
]


@test(timeout=120)
def wrong_keys_of_attached_devices_are_named_and_the_next_device_works():
    path = image("right.img")
    loop = output("losetup", "-f", "--show", path).strip()
    store = Store()
    try:
        with hotplug() as guest:
            line = Line()
            before = at_rest(line)
            for front, back, named in WRONG_VIF:
                said = len(guest.console())
                # This back end is nothing but these values.
                values = {"feature-rx-copy": "1", "feature-sg": "1", "state": INIT_WAIT, **back}
                device = new_vif(store, guest, 1, front, values, backend="impostor")
                wait_until(lambda: re.search(f"ERROR.*vif1.*{named}", guest.console()[said:]), f"{front} {back}: {named!r} is named", 15)
                device.remove()
            for front, back, named in WRONG_DISK:
                values = {"sectors": "8192", "sector-size": "512", "info": "0", "state": INIT_WAIT, **back}
                device = new_disk(store, guest, "b", loop, front, values, backend="impostor")
                asking = threading.Thread(target=lambda: answer.append(line.ask("open xvdb")), daemon=True)
                answer = []
                asking.start()
                # What it says of the disk is read when it is connected.
                wait_until(lambda: answer or device.states()[0] == INITIALISED, "the front end asks", 15, 0.02)
                store.write(f"{device.back}/state", CONNECTED)
                wait_until(lambda: answer or device.states()[0] in (CLOSING, CLOSED), "the front end gives up", 15, 0.02)
                store.write(f"{device.back}/state", CLOSED)
                asking.join(15)
                check(answer and answer[0].startswith("error") and named in answer[0], f"{front} {back}: {named!r} is not named in {answer}")
                device.remove()
            interface, disk = new_vif(store, guest, 1), new_disk(store, guest, "b", loop)
            interface.wait(CONNECTED, CONNECTED)
            line.good("open xvdb", str(4 << 20))
            line.good("check xvdb", "good")
            line.good("close xvdb", "closed")
            interface.detach()
            disk.detach()
            guest.expect("xvdb: gone")
            after = at_rest(line)
            for key in ("grants", "ports", "quarantined"):
                equal(after[key], before[key], key)
            guest.never_said()
    finally:
        store.close()
        run("losetup", "-d", loop, strict=False)


@test(timeout=240)
def a_hundred_attachments_under_load_leave_grants_ports_and_memory_as_they_were():
    first, second = image("loaded.img"), image("plugged.img")
    loop = output("losetup", "-f", "--show", second).strip()
    store = Store()
    try:
        with hotplug(disks((first, "xvda", "w"))) as guest:
            line = Line()
            line.good("open xvda")

            def loaded(count):
                """What is in use after so many rounds under load, when all has come to rest."""
                line.good("load xvda")
                traffic = Traffic()
                traffic.start()
                rounds(store, guest, line, loop, count)
                traffic.end()
                written = int(line.good("unload xvda").split()[0])
                check(written > count, f"only {written} rounds of the load on the other disk")
                return at_rest(line)
            # What a load takes and keeps, as pages for a disk's requests, it has then.
            before, after = loaded(4), loaded(34)
            print(f"before {before}, after {after}", flush=True)
            for key in ("grants", "ports", "quarantined"):
                equal(after[key], before[key], key)
            check(after["free_pages"] >= before["free_pages"] - 8, f"memory is lost: {before} before, {after} after")
            line.good("check xvda", "good")
            guest.never_said("PANIC", "CRASH", "WARN", "ERROR")
    finally:
        store.close()
        run("losetup", "-d", loop, strict=False)


def rounds(store, guest, line, loop, count):
    """Two vifs and a disk come and go, a disk in use now and then."""
    for number in range(count):
        interfaces = [new_vif(store, guest, device) for device in (1, 2)]
        disk = new_disk(store, guest, "b", loop)
        line.good("open xvdb", str(4 << 20))
        line.good("check xvdb", "good")
        for interface in interfaces:
            interface.wait(CONNECTED, CONNECTED)
        if number % 8 == 0:
            line.good("load xvdb")
            disk.detach()
            disk = new_disk(store, guest, "b", loop)
            line.good("unload xvdb")
        line.good("close xvdb", "closed")
        for device in (*interfaces, disk):
            device.begin_to_detach()
        for device in (*interfaces, disk):
            device.detach()
        wait_until(lambda: line.good("interfaces").count("vif") == 1, "the interfaces go", step=0.02)


def at_rest(line):
    """What is in use when nothing is on its way."""
    counts = [line.counts()]

    def rest():
        counts.append(line.counts())
        return counts[-3:] == [counts[-1]] * 3
    wait_until(rest, "the counts come to rest", step=0.2)
    return counts[-1]
