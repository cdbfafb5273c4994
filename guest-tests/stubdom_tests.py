"""HVM guests whose device model runs on our kernel: Debian's QEMU in a domain of its own, started by libxl as it is."""

import time

from harness import check, equal, output, wait_until
from hvm import Hvm, Network, boot_disk, check_patterns, empty_disk
from suite import figure, test


@test(timeout=240)
def a_guest_boots_from_its_disk_writes_and_reads_it_and_powers_off():
    with Hvm(disk="WMFT") as guest:
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
