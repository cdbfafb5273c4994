"""Networks that change: several vifs, vifs that come and go, back ends that close and come back."""

import fcntl
import os
import socket
import struct
import time

from harness import Guest, check, equal, output, store_list, store_read, store_write, vif, vifs, wait_until
from example_tests import echo_both
from http_client import SERVER, get, httpd, is_serving, wait_serving
from suite import test


@test()
def two_vifs_carry_traffic_at_once():
    with Guest("echo", vifs(vif(9), vif(8)), cmdline="ip=10.0.0.9/24 ip1=fd00:10::8/64") as guest:
        guest.expect("port 7")
        for _ in range(3):
            echo_both("10.0.0.9")
            echo_both("fd00:10::8")
        # What went over the second vif is in its own counters in dom0.
        for device in (0, 1):
            packets = int(open(f"/sys/class/net/vif{guest.domid}.{device}/statistics/rx_packets").read())
            check(packets > 50, f"vif{guest.domid}.{device} had only {packets} packets of the guest")
        guest.never_said()


@test()
def a_detached_vif_leaves_the_other_serving():
    with httpd(vifs(vif(2), vif(8)), cmdline="ip=10.0.0.2/24 ip1=fd00:10::8/64 mount=/dev/xvda:/") as guest:
        output("ping", "-c1", "-W5", "fd00:10::8")
        output("xl", "network-detach", guest.name, "1")
        wait_until(lambda: "1" not in store_list(f"/local/domain/0/backend/vif/{guest.domid}"), "the second vif goes")
        equal(get("/small.txt")[0], 200, "over the vif that is left")
        time.sleep(1)
        equal(store_list(guest.path("device/vif")), ["0"], "the vifs that XenStore still has")
        output("xl", "network-attach", guest.name, "mac=00:16:3e:00:01:08", "bridge=xenbr0")
        equal(get("/small.txt")[0], 200, "after a vif was attached")
        guest.never_said("PANIC", "CRASH", "quarantined")
        guest.xl("shutdown")
        guest.ended("poweroff")


@test()
def a_guest_whose_only_vif_goes_still_obeys_xl():
    with httpd() as guest:
        output("xl", "network-detach", guest.name, "0")
        guest.expect("vif0: the back end is (Closing|Closed|Unknown)|eth0: the back end is (Closing|Closed|Unknown)")
        check(not is_serving(), "it serves without a network")
        guest.xl("shutdown")
        guest.ended("poweroff")
        guest.never_said()


@test(timeout=60)
def a_back_end_that_closes_and_comes_back_is_met_again():
    with httpd() as guest:
        front, back = guest.path("device/vif/0"), guest.backend("vif", 0)
        equal(store_read(f"{front}/state"), "4", "the front end's state")
        # To netback a front end that closes and starts anew is nothing unusual, as long as the device is to stay (online).
        equal(store_read(f"{back}/online"), "1", "the back end's key `online`")
        store_write(f"{back}/state", "5")
        guest.expect("connected again", 20)
        wait_until(lambda: (store_read(f"{front}/state"), store_read(f"{back}/state")) == ("4", "4"), "both ends are connected", 10)
        wait_serving(guest)
        equal(get("/small.txt")[0], 200, "over the new connection")
        guest.never_said("PANIC", "CRASH", "quarantined")


@test()
def a_flood_of_pings_and_datagrams_leaves_the_guest_serving():
    with httpd() as guest:
        output("ping", "-f", "-q", "-c", "2000", "-s", "1000", SERVER, timeout=40)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            for number in range(3000):
                datagrams.sendto(b"x" * (number % 1400), (SERVER, 9000 + number % 100))
        wait_serving(guest)
        equal(get("/small.txt")[0], 200, "afterwards")
        guest.never_said()


@test()
def large_datagrams_in_fragments_come_back_whole():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24") as guest:
        guest.expect("port 7")
        output("ping", "-c3", "-i0.1", "-W2", "-s", "1472", "10.0.0.9")
        guest.never_said()


@test()
def a_guest_finds_its_neighbours_again_after_a_pause():
    with httpd() as guest:
        guest.xl("pause")
        time.sleep(1)
        check(not is_serving(), "a paused guest serves")
        output("ip", "neigh", "flush", "dev", "xenbr0")
        guest.xl("unpause")
        wait_serving(guest)
        guest.never_said()


def agreed(guest, **more):
    """Waits for what `vif0` and its back end agreed on, which the driver logs, to be this."""
    words = {"queues": "1", "split events": "yes", "checksums": "v4 v6", "segments out": "v4 v6", "segments in": "yes",
             "multicast filter": "yes", "trusted": "yes", **more}
    line = ", ".join(f"{key} {value}" for key, value in words.items())
    guest.expect(f"(vif|eth)0: mtu 1500, {line}$")


@test()
def all_that_the_back_end_offers_is_agreed_on():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24 loglevel=debug") as guest:
        guest.expect("port 7")
        agreed(guest)
        front = guest.path("device/vif/0")
        for key in ("event-channel-tx", "event-channel-rx", "tx-ring-ref", "rx-ring-ref"):
            check(store_read(f"{front}/{key}"), f"{front}/{key} is missing")
        for key in ("event-channel", "multi-queue-num-queues"):
            check(store_read(f"{front}/{key}") is None, f"{front}/{key} is there")
        # What the back end hands over in long segments is for netback to know.
        offloads = output("ethtool", "-k", f"vif{guest.domid}.0")
        for word in ("tx-tcp-segmentation: on", "tx-tcp6-segmentation: on", "scatter-gather: on"):
            check(word in offloads, f"dom0 does not say `{word}`:\n{offloads}")
        interrupts = open("/proc/interrupts").read()
        for direction in ("tx", "rx"):
            check(f"vif{guest.domid}.0-q0-{direction}" in interrupts, f"no interrupt for {direction}:\n{interrupts}")
        echo_both("10.0.0.9")
        guest.never_said()


@test()
def two_queues_share_the_connections():
    parameter = "/sys/module/xen_netback/parameters/max_queues"
    before = open(parameter).read().strip()
    with open(parameter, "w") as file:
        file.write("2")
    try:
        with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24 loglevel=debug queues=2") as guest:
            guest.expect("port 7")
            agreed(guest, queues="2")
            front = guest.path("device/vif/0")
            equal(store_read(f"{front}/multi-queue-num-queues"), "2", "the queues that the front end wants")
            check(store_read(f"{front}/tx-ring-ref") is None, "there are keys of a single queue")
            for number in (0, 1):
                for key in ("tx-ring-ref", "rx-ring-ref", "event-channel-tx", "event-channel-rx"):
                    check(store_read(f"{front}/queue-{number}/{key}"), f"queue-{number}/{key} is missing")
            for _ in range(16):
                echo_both("10.0.0.9")
            # Each queue was told of frames from the guest. (Of free buffers for it netback asks to be told when it has none.)
            counts = {line.split()[-1]: int(line.split()[1]) for line in open("/proc/interrupts") if f"vif{guest.domid}.0-q" in line}
            equal(len(counts), 4, f"interrupts of two queues in {counts}")
            for number in (0, 1):
                check(counts[f"vif{guest.domid}.0-q{number}-tx"] > 5, f"a queue lies idle: {counts}")
            guest.never_said()
    finally:
        with open(parameter, "w") as file:
            file.write(before)


@test()
def the_mtu_and_the_carrier_change_while_connections_last():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24") as guest:
        guest.expect("port 7")
        with socket.create_connection(("10.0.0.9", 7), 10) as connection:
            def echo(data):
                connection.sendall(data)
                back = b""
                while len(back) < len(data):
                    back += connection.recv(65536) or check(False, "the connection ended")
                equal(back, data, "what came back")
            connection.settimeout(20)
            echo(b"before" * 1000)
            back = guest.backend("vif", 0)
            store_write(guest.path("device/vif/0/mtu"), "1200")
            store_write(f"{back}/mtu", "1200")
            guest.expect("0: the MTU is 1200")
            echo(b"after" * 3000)
            store_write(f"{back}/carrier", "0")
            guest.expect("0: there is no carrier")
            store_write(f"{back}/carrier", "1")
            guest.expect("0: there is a carrier")
            echo(b"at last" * 3000)
        guest.never_said()


@test()
def frames_for_groups_that_nobody_joined_stay_away():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24,fd00:10::9/64 loglevel=debug") as guest:
        guest.expect("port 7")
        agreed(guest)
        for address in ("10.0.0.9", "fd00:10::9"):
            echo_both(address)
        # Neighbours' questions go to the group of the address, and all nodes are a group too.
        output("ip", "-6", "neigh", "flush", "dev", "xenbr0")
        output("ping", "-c1", "-W5", "fd00:10::9")
        output("ping", "-c2", "-W5", "ff02::1%xenbr0")
        device = f"/sys/class/net/vif{guest.domid}.0/statistics"

        def reached(group, count=40):
            """How many frames came to the guest while so many went to the group. They come in by a port of the bridge: what dom0
            itself sends netback does not take for multicast."""
            before = int(open(f"{device}/tx_packets").read())
            frame = bytes.fromhex(group + "0200000000aa" + "88b5") + bytes(60)
            for _ in range(count):
                os.write(tap, frame)
            time.sleep(0.5)
            return int(open(f"{device}/tx_packets").read()) - before

        tap = os.open("/dev/net/tun", os.O_RDWR)
        try:
            # TUNSETIFF with IFF_TAP and IFF_NO_PI.
            fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tapgroups", 0x1002))
            output("ip", "link", "set", "tapgroups", "master", "xenbr0", "up")
            time.sleep(0.5)
            for group in ("01005e000001", "333300000001", "3333ff000009", "ffffffffffff"):
                check(reached(group) >= 40, f"frames for {group} do not arrive")
            for group in ("01005e010203", "3333ff000008"):
                number = reached(group)
                check(number < 20, f"{number} frames for {group}, which nobody joined")
        finally:
            os.close(tap)
        guest.never_said()


@test()
def a_back_end_that_is_not_trusted_works_all_the_same():
    with Guest("echo", vifs(vif(9) + ",untrusted"), cmdline="ip=10.0.0.9/24 loglevel=debug") as guest:
        guest.expect("port 7")
        agreed(guest, trusted="no")
        echo_both("10.0.0.9")
        guest.never_said()
