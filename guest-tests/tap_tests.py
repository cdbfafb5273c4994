"""Taps that are joined to vifs: a Python program in a packed guest answers on two of them, without a stack in between."""

import os
import socket

from harness import Guest, check, disks, equal, host_file, output, run, scratch, store_read, store_write, vif, vifs, wait_until
from suite import test


def ask(address, data):
    """What comes back for a datagram."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for _ in range(10):
            client.sendto(data, (address, 7))
            try:
                return client.recv(65536)
            except TimeoutError:
                pass
    raise AssertionError(f"{address} does not answer")


@test(timeout=90)
def a_program_answers_on_taps_whose_frames_are_whole():
    script = scratch("answer.py")
    with open(os.path.join(os.path.dirname(__file__), "tap_answer.py")) as file:
        text = file.read()
    with open(script, "w") as file:
        file.write(text.ljust(8192, "\n"))
    devices = disks((host_file("python3/root.img"), "xvda", "r"), (script, "hdb", "r"))
    line = "root=xvda:ext4 taps=0,1 loglevel=debug -- python3 /dev/xvdb"
    with Guest("python3", vifs(vif(70), vif(71)), devices, cmdline=line) as guest:
        guest.expect(r"^the taps are there", 40)
        for address in ("10.0.0.70", "10.0.0.71"):
            wait_until(lambda: run("ping", "-c", "1", "-W", "1", address, strict=False)[0] == 0, f"{address} answers", 20)
            text = output("ping", "-c", "20", "-i", "0.05", "-s", "1400", address)
            check(" 0% packet loss" in text, text)
            # dom0 leaves the checksum to who sends the datagram over a wire.
            for length in (1, 500, 1400):
                data = os.urandom(length)
                equal(ask(address, data), b"OK" + data, f"{length} bytes by way of {address}")
        # A back end that goes is met again, and the tap stays.
        back, front = guest.backend("vif", 0) + "/state", guest.path("device/vif/0/state")
        store_write(back, "5")
        wait_until(lambda: store_read(front) != "4", "the front end closes", step=0.01)
        wait_until(lambda: (store_read(front), store_read(back)) == ("4", "4"), "both ends are connected again", 20)
        equal(ask("10.0.0.70", b"again"), b"OKagain", "after the back end came back")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"end", ("10.0.0.71", 7))
        console = guest.ended("poweroff")
        check("no tap 7" in console, "a tap without a vif is refused")
        guest.never_said("PANIC", "CRASH")
    os.remove(script)
