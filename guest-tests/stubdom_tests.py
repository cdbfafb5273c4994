"""HVM guests whose device model runs on our kernel: Debian's QEMU in a domain of its own, started by libxl as it is."""

import os
import re
import select
import shutil
import socket
import time

from harness import Failure, check, domains, equal, host_file, output, run, scratch, wait_until
from hvm import Hvm, Network, Registers, boot_disk, check_patterns, empty_disk, open_port, version
from life_tests import resources
from suite import figure, test


@test(timeout=240)
def a_guest_boots_from_its_disk_writes_and_reads_it_and_powers_off():
    with Registers(25), Hvm(disk="WMFT") as guest:
        figure("stubdom-create", guest.create_seconds, "s")
        guest.expect(r"^BS: boot sector$")
        guest.expect(r"^BIOS: pattern right on disk 0$")
        guest.expect(r"^DMA: pattern right on disk 0$")
        guest.expect(r"^TIMER: ten ticks$")
        guest.expect(r"^READY$")
        check_patterns(guest.disk)
        guest.command("e", r"ECHO: $")
        guest.command("as it was typed\n", r"as it was typed$")
        check("FAILED" not in guest.text, guest.text)
        guest.type("P")
        guest.ended("poweroff")


@test(timeout=240)
def a_network_card_boots_a_program():
    with Network() as network, Hvm(boot="n", vif=network.vif("e1000")) as guest:
        guest.expect(r"^NBP: network boot program runs$", 120)
        guest.command("T", r"^TIMER: ten ticks$")
        guest.command("H", r"^HALT$")
        guest.ended("poweroff")


@test(timeout=240)
def another_network_card_runs_a_script_that_loads_and_boots():
    script = f"imgfetch tftp://{Network.ADDRESS}/big\nimgfree big\nchain tftp://{Network.ADDRESS}/nbp.0"
    with Network(script) as network, Hvm(boot="n", vif=network.vif("rtl8139")) as guest:
        guest.expect(r"^NBP: network boot program runs$", 150)
        check("big" in network.said(), network.said())
        guest.command("B", r"^RESET$")
        guest.ended("reboot")


@test(timeout=240)
def two_network_cards_reach_a_network_each():
    with Bridges() as bridges:
        vifs = [f"type=ioemu,model=rtl8139,mac={mac},bridge={name}" for name, mac in bridges.cards]
        # No program of the cards' own, which the BIOS would run first.
        with Hvm('device_model_args_hvm=["-global","rtl8139.romfile="]', vif=vifs) as guest:
            guest.expect(r"^READY$")
            guest.command("E", r"^CARDS: done$")
            equal(guest.text.count("CARD: a frame was sent"), 2, "cards that sent a frame")
            for number, (name, mac) in enumerate(bridges.cards):
                equal(bridges.heard(number), [mac], f"who sent frames to {name}")


class Bridges:
    """Two networks without anybody, and what a guest's card sends to each."""

    TYPE = 0x88B5

    def __init__(self):
        self.cards = [("hvmbr0", "00:16:3e:00:02:01"), ("hvmbr1", "00:16:3e:00:02:02")]
        self.sockets = []

    def __enter__(self):
        for name, _ in self.cards:
            output("ip", "link", "add", name, "type", "bridge", "stp_state", "0", "forward_delay", "0")
            output("ip", "link", "set", name, "up")
            listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(self.TYPE))
            listener.bind((name, self.TYPE))
            listener.settimeout(10)
            self.sockets.append(listener)
        return self

    def heard(self, number):
        """The senders of all frames so far; at least one is waited for."""
        senders = []
        try:
            while True:
                senders.append(":".join(f"{byte:02x}" for byte in self.sockets[number].recv(2000)[6:12]))
                self.sockets[number].settimeout(1)
        except TimeoutError:
            return senders

    def __exit__(self, *_):
        for listener in self.sockets:
            listener.close()
        for name, _ in self.cards:
            run("ip", "link", "del", name, strict=False)


@test(timeout=240)
def grub_loads_memtest86_from_its_disk_and_starts_it():
    disk = scratch("grub.img")
    shutil.copy(host_file("hvm/grub.img"), disk)
    with Hvm(disks=[f"format=raw,vdev=hda,access=w,target={disk}"]) as guest:
        guest.expect(r"GRUB: runs$")
        # It clears the screen first; what it says there takes minutes where each character is a round trip to a busy machine.
        guest.expect(r"GRUB: starts memtest86\+\n\x1b\[2J")


@test(timeout=240)
def a_paused_guest_stands_still_and_goes_on():
    with Hvm(disk="L") as guest:
        guest.expect(r"^LINE 2$")
        output("xl", "pause", guest.name)
        seen = guest.text
        time.sleep(1)
        lines = guest.text.count("LINE")
        check(lines <= seen.count("LINE") + 1, "a paused guest counts on")
        output("xl", "unpause", guest.name, timeout=30)
        wait_until(lambda: guest.text.count("LINE") > lines + 1, "it goes on", 20)
        output("xl", "destroy", guest.name)
        equal(guest.find_domid(), None, "the guest")


@test(timeout=240)
def several_disks_hold_their_own_data_and_an_idle_guest_costs_little():
    first, second, third = boot_disk("several", "1WMF2W"), empty_disk("second"), empty_disk("third")
    disks = [f"format=raw,vdev={vdev},access=w,target={path}" for vdev, path in (("hda", first), ("hdb", second), ("hdc", third))]
    with Hvm(disks=disks) as guest:
        guest.expect(r"^READY$", 90)
        check("FAILED" not in guest.text, guest.text)
        check_patterns(second, 1)
        guest.command("D", r"^IDLE$")
        before = guest.cpu_seconds(f"{guest.name}-dm")
        time.sleep(5)
        figure("stubdom-idle-cpu", (guest.cpu_seconds(f"{guest.name}-dm") - before) / 5 * 100, "%")
        guest.type("xK")
        guest.expect(r"^RESET$")
        guest.ended("reboot")
    check_patterns(third, 2, dma=False)


@test(timeout=300)
def a_guest_that_was_saved_goes_on_where_it_was():
    file = scratch("hvm.save")
    with Hvm(disk="L") as guest:
        guest.expect(r"^LINE 3$")
        output("xl", "save", guest.name, file, timeout=120)
        wait_until(lambda: guest.find_domid() is None, "the saved guest goes")
        last = int(re.findall(r"^LINE (\d+)$", guest.text, re.M)[-1])
        guest.close()
        output("xl", "restore", "-p", file, timeout=120)
        guest.adopt()
        seen = len(guest.text)
        guest.unpause()
        found = wait_until(lambda: re.findall(r"^LINE (\d+)$", guest.text[seen:], re.M)[1:], "it counts on", 30)
        check(last <= int(found[0]) <= last + 3, f"it counts on from {found[0]}, not from {last}")
        # Its disk and what else the device model remembers.
        guest.type("x")
        guest.command("WMF", r"^FLUSH: done")
        check("FAILED" not in guest.text[seen:], guest.text[seen:])
        guest.type("P")
        guest.ended("poweroff")
    os.remove(file)


@test(timeout=240)
def clients_of_the_monitor_come_and_go():
    with Hvm(disk="L") as guest:
        for number in range(12):
            with guest.monitor() as order:
                if number % 3 == 2:
                    # One that goes in the midst of an order.
                    order.client.sendall(b'{"execute": "qmp_capa')
                    continue
                order("qmp_capabilities")
                check(order("query-status")["running"], "the guest does not run")
        output("xl", "pause", guest.name)
        output("xl", "unpause", guest.name, timeout=30)


@test(timeout=360)
def a_guest_with_two_serial_ports_is_made_anew_when_it_resets_and_obeys_the_power_button():
    with Hvm('serial=["pty","pty"]', 'on_reboot="restart"', keep=False) as guest:
        guest.expect(r"^READY$")
        second = open_port(guest.model, 1)
        try:
            guest.command("S", r"^PORT 2 HEARD: $")
            check(select.select([second], [], [], 20)[0], "nothing on the second port")
            heard = os.read(second, 100).decode(errors="replace")
            check(heard.startswith("PORT 2"), f"the second port says {heard!r}")
            os.write(second, b"a word to it\n")
            wait_until(lambda: "PORT 2 HEARD: a word to it\n" in guest.text, "what the second port was told", 20)
        finally:
            os.close(second)

        before = guest.domid
        guest.type("B")
        wait_until(lambda: (guest.find_domid() or before) > before, "xl makes the guest anew", 90, 0.2)
        guest.adopt()
        check(guest.find_domid(f"{guest.name}-dm") == guest.model, "its device model is another domain than XenStore says")
        # The first lines were said before anybody listened.
        seen = len(guest.text)

        def answers():
            guest.type("T")
            time.sleep(3)
            return "TIMER: ten ticks" in guest.text[seen:]
        wait_until(answers, "it boots again", 90)

        code, text = run("xl", "shutdown", guest.name, strict=False)
        check(code != 0 and "PV control interface not available" in text, f"xl shutdown: {code}, {text}")
        code, text = run("xl", "reboot", "-F", guest.name, strict=False)
        check(code != 0, f"xl reboot -F, which Xen has no trigger for: {text}")
        guest.command("A", r"^BUTTON: wait$")
        output("xl", "shutdown", "-F", guest.name)
        guest.expect(r"^BUTTON: pressed$", 30)
        wait_until(lambda: not {guest.name, f"{guest.name}-dm"} & set(domains()), "both domains go", 60, 0.2)


@test(timeout=240)
def a_device_model_that_dies_says_so_and_its_guest_can_be_ended():
    with Hvm('device_model_args_hvm=["-device","isa-debug-exit"]') as guest:
        guest.expect(r"^READY$")
        if version() == "4.17":
            guest.type("X")
            code = 5
        else:
            # QEMU 10 does not leave at the guest's wish, since libxl gives it -no-shutdown.
            with guest.monitor() as order:
                order("qmp_capabilities")
                order("quit")
            code = 0
        said = f"the device model has ended with exit code {code}: its guest stands still"
        wait_until(lambda: said in guest.model_log(), "the device model's domain says why it ends", 30)
        wait_until(lambda: domains().get(f"{guest.name}-dm", (0, "s"))[1].count("s"), "the device model's domain ends", 30, 0.2)
        equal((guest.state() or (0, "", "gone"))[2], None, "the end of the guest, which nobody has ended")
        output("xl", "destroy", guest.name, timeout=60)
        wait_until(lambda: not {guest.name, f"{guest.name}-dm"} & set(domains()), "both domains go", 30, 0.2)


@test(timeout=240)
def a_device_model_that_is_destroyed_under_its_guest_does_no_harm():
    with Hvm(disk="L") as guest:
        guest.expect(r"^LINE 1$")
        output("xl", "destroy", f"{guest.name}-dm")
        equal(f"{guest.name}-dm" in domains(), False, "the device model's domain")
        # The guest waits for ever for its next answer, and can still be ended.
        code, text = run("xl", "unpause", guest.name, timeout=90, strict=False)
        output("xl", "destroy", guest.name, timeout=60)
        equal(guest.find_domid(), None, "the guest")
    with Hvm(disk="T") as guest:
        guest.expect(r"^READY$")


def cdrom(name, text):
    """An image that says this in the block where a CD-ROM has its name."""
    path = scratch(name)
    with open(path, "wb") as file:
        file.truncate(64 * 2048)
        file.seek(16 * 2048)
        file.write(text)
    return path


@test(timeout=240)
def a_cd_is_read_and_on_a_xen_that_can_do_it_changed():
    first, second = cdrom("first.iso", b"the first one"), cdrom("second.iso", b"the second one")
    disks = [f"format=raw,vdev=hda,access=w,target={boot_disk('cdrom', '2c')}",
             f"format=raw,vdev=hdc,devtype=cdrom,access=r,target={first}"]
    with Hvm(disks=disks) as guest:
        guest.expect(r"^CD-ROM: the first one")
        if version() != "4.17":
            output("xl", "cd-insert", guest.name, "hdc", second, timeout=60)
            guest.command("2c", r"^CD-ROM: the second one")


@test(timeout=120)
def a_device_model_that_was_taken_over_reaches_its_target_alone():
    with Hvm(config="hvm-hostile", paused=True, disk="") as guest:
        wait_until(lambda: "hostile: done" in guest.model_log(), "all attempts are made", 30)
        log = guest.model_log()
        check("REACHED" not in log, log)
        check("own target's memory: mapped" in log, log)
        check(log.count("refused") >= 25, log)


@test(timeout=600)
def twenty_guests_with_device_models_come_and_go_and_leave_nothing():
    with Hvm(paused=True):
        pass
    before = resources()
    for number in range(20):
        with Hvm(paused=True) as guest:
            if number % 5 == 0:
                guest.unpause()

    def same():
        after = resources()
        return all(after[name] >= count if name == "free_memory" else after[name] <= count for name, count in before.items())
    try:
        wait_until(same, "everything is back", 30, 0.5)
    except Failure:
        raise Failure(f"before: {before}; after: {resources()}") from None
    equal(output("ps", "ax").count("vchan-socket-proxy"), 0, "proxies that are left")
