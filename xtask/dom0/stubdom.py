"""An HVM guest with a domain for its device model. Usage: stubdom.py check|attend hvm|hvm-linux [MIB]

`check` boots it from its disk and from the network and prints a line for each test; `attend` shows what it and its device model say.
"""

import sys
import time

import harness
from guest import figure, test
from harness import Failure, check
from hvm import Hvm, Network, Running, check_patterns

order, config = sys.argv[1:3]
memory = int(sys.argv[3]) if len(sys.argv) > 3 else None
Hvm.config = config
harness.output("quick-hotplug", "on")


def said(what):
    """Runs a test and shows what the guest and its device model said when it fails."""
    def body():
        try:
            what()
        except Failure as failure:
            for guest in harness.Guest.latest[-1:]:
                print(f"---- {guest.name}\n{guest.console()}\n----", flush=True)
            raise AssertionError(str(failure).partition("\n")[0]) from None
        finally:
            harness.destroy_all()
    return body


def disk():
    with Running() as running, Hvm(disk="WMFTzrw", memory=memory) as guest:
        figure(f"{config}-create", guest.create_seconds, "s")
        figure(f"{config}-running", running.seconds(guest), "s")
        guest.expect(r"^BS: boot sector$")
        figure(f"{config}-first-output", time.monotonic() - guest.unpaused, "s")
        figure(f"{config}-first-output-cpu", guest.cpu_seconds(f"{guest.name}-dm"), "s")
        guest.expect(r"^READY$", 120)
        for line in guest.text.splitlines():
            print(f"{guest.name}| {line}", flush=True)
        for line in ("BIOS: pattern right on disk 0", "DMA: pattern right on disk 0", "TIMER: ten ticks"):
            check(line in guest.text, f"the guest does not say `{line}`")
        check_patterns(guest.disk)
        guest.type("P")
        guest.ended("poweroff")


def network(model):
    def body():
        with Network() as network, Hvm(boot="n", vif=network.vif(model), memory=memory) as guest:
            try:
                guest.expect(r"^NBP: network boot program runs$", 180)
            except Failure as failure:
                raise Failure(f"{failure}; DHCP and TFTP: {' | '.join(network.said().splitlines()[-12:])}") from None
            figure(f"{config}-{model}-boot", time.monotonic() - guest.unpaused, "s")
            guest.type("B")
            guest.ended("reboot")
    return body


def attend():
    with Hvm(disk="WMFTrwz", memory=memory) as guest:
        print("== the serial line; what the device model's domain says begins with `dm|` (Ctrl-C ends it)", flush=True)
        shown = [0, 0]
        while guest.state() and not guest.state()[2]:
            for index, (text, mark) in enumerate(((guest.text, ""), (guest.model_log(), "dm| "))):
                end = text.rfind("\n") + 1
                for line in text[shown[index]:end].splitlines():
                    print(f"{mark}{line}", flush=True)
                shown[index] = max(end, shown[index])
            time.sleep(2)
        reason = (guest.state() or (0, "", "gone"))[2]
        print(f"== the guest has ended: {reason}", flush=True)
        return 0 if reason == "poweroff" else 1


if order == "attend":
    try:
        sys.exit(attend())
    except Failure as failure:
        sys.exit(f"error: {failure}")
else:
    done = []
    for name, what in (
        ("boots from its disk, writes and reads it, and powers off", disk),
        ("boots from the network by e1000, and resets", network("e1000")),
        ("boots from the network by rtl8139, and resets", network("rtl8139")),
    ):
        done.append(test(f"{config}: {name}", said(what)))
        # Where the disk does not work, nothing does.
        if not done[0]:
            break
    sys.exit(0 if done and all(done) else 1)
