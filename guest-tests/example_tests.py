"""Each example does what it is for, started with its own configuration."""

import glob
import re
import socket

from harness import HOST, Guest, check, equal, host_file, output, store_list, vif, vifs, wait_until
from suite import test

EXAMPLES = ["hello", "echo", "httpd", "router", "blktest", "nettest", "xenstore-ls", "crash"]


@test()
def xl_accepts_every_configuration_that_minios_cfg_wrote():
    for name in EXAMPLES:
        host_file(f"{name}.cfg")
    for path in sorted(glob.glob(f"{HOST}/*.cfg")):
        output("xl", "create", "-n", path)


@test()
def hello_says_hello_in_four_megabytes_and_powers_off():
    with Guest("hello") as guest:
        console = guest.ended("poweroff")
        check(f"Hello from {guest.name}!" in console, "no greeting by the domain's name")
        check(console.rstrip().endswith("SUCCESS"), "the last line is not SUCCESS")
        guest.never_said("PANIC", "CRASH", "WARN", "ERROR")


@test()
def arguments_reach_the_program_as_they_were_quoted():
    with Guest("hello", cmdline='hostname="two words" -- one "two and" th\\"ree') as guest:
        console = guest.ended("poweroff")
        for line in ("Hello from two words!", "argument 0: one", "argument 1: two and", 'argument 2: th"ree'):
            check(line in console, f"the console has no `{line}`")


@test()
def xenstore_ls_lists_what_dom0_sees():
    with Guest("xenstore-ls") as guest:
        console = guest.ended("poweroff")
        check("SUCCESS" in console, "no SUCCESS")
        for name in store_list(guest.path()):
            check(re.search(rf"^{re.escape(name)}[ (]", console, re.M), f"`{name}` is not listed")
        check(f'name = "{guest.name}"' in console, "the name's value is not shown")


@test()
def echo_answers_over_ipv4_from_dhcp_and_over_slaac():
    with Guest("echo") as guest:
        address = guest.expect(r"\b(10\.0\.0\.1\d\d)\b", 20)[1]
        echo_both(address)
        # The interface id is the one that the MAC gives: 00:16:3e:00:00:07.
        echo_both("fd00:10::216:3eff:fe00:7")
        guest.never_said("PANIC", "CRASH", "ERROR")
        guest.xl("shutdown")
        guest.ended("poweroff")


@test()
def echo_answers_at_fixed_addresses_of_both_families():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24,fd00:10::9/64 -- 7007") as guest:
        guest.expect("port 7007")
        echo_both("10.0.0.9", 7007)
        echo_both("fd00:10::9", 7007)


@test()
def a_guest_answers_pings_of_both_families_and_of_many_sizes():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24,fd00:10::9/64") as guest:
        guest.expect("port 7")
        for address in ("10.0.0.9", "fd00:10::9"):
            for size in (0, 56, 1400):
                text = output("ping", "-c5", "-i0.02", "-W2", "-s", size, address)
                check(" 0% packet loss" in text, f"{address}, {size} bytes: {text.splitlines()[-2]}")


def echo_both(address, port=7):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    payload = bytes(range(256)) * 250
    with wait_until(lambda: connect(family, address, port), f"connecting to {address}") as stream:
        stream.sendall(payload[:1000])
        equal(receive(stream, 1000), payload[:1000], f"TCP echo of {address}")
        for start in range(0, len(payload), 3000):
            part = payload[start:start + 3000]
            stream.sendall(part)
            equal(receive(stream, len(part)), part, f"TCP echo of {address} at {start}")
        stream.shutdown(socket.SHUT_WR)
        equal(stream.recv(1), b"", f"what follows the end of the TCP echo of {address}")
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(5)
        for size in (1, 17, 512, 1400):
            datagrams.sendto(payload[:size], (address, port))
            equal(datagrams.recv(65536), payload[:size], f"UDP echo of {size} bytes by {address}")


def connect(family, address, port):
    stream = socket.socket(family, socket.SOCK_STREAM)
    stream.settimeout(5)
    try:
        stream.connect((address, port))
        return stream
    except OSError:
        stream.close()
        return None


def receive(stream, count):
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            break
        data += part
    return data
