"""Further consoles, `/dev/hvcN`, that the QEMU of `channel=` serves: a shell in bash's guest on the first one tries them."""

import hashlib
import os
import socket

from harness import Guest, check, equal, output, store_list, store_read, store_write, wait_until
from linux_clients import PROMPT, Console
from suite import test

SOCKET = "/run/guest-tests-channel"
# As `minios pack` writes them: Xen 4.17's xl loses the first.
CHANNELS = (
    "channel=['name=minios.unused,connection=pty','name=test.bytes,connection=socket,path=" + SOCKET + "',"
    "'name=test.lines,connection=pty']"
)
BYTES = "/dev/xen-channel/test.bytes"
LINES = "/dev/xen-channel/test.lines"


def number(guest, name):
    """The number of the console of that name."""
    for device in store_list(guest.path("device/console")):
        if guest.store(f"device/console/{device}/name") == name:
            return device
    raise AssertionError(f"{guest.name} has no console {name}")


def connect():
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(SOCKET)
    return client


def receive(client, length):
    data = b""
    while len(data) < length:
        part = client.recv(65536)
        check(part, f"the socket of the channel ended after {len(data)} bytes")
        data += part
    return data


def md5(data):
    return hashlib.md5(data).hexdigest()


def exchange(console, client, to_dom0, to_guest):
    """So many bytes each way, every value among them, and none changed."""
    console.command(f"head -c {to_dom0} /dev/urandom >/tmp/out; cat /tmp/out >{BYTES}; echo 'se''nt'", r"^sent$")
    data = receive(client, to_dom0)
    console.command("md5sum </tmp/out", md5(data))
    data = os.urandom(to_guest)
    console.type(f"head -c {to_guest} {BYTES} | md5sum\n")
    client.settimeout(60)
    client.sendall(data)
    console.expect(md5(data), 60)
    console.expect(PROMPT)


@test(timeout=150)
def a_further_console_carries_any_bytes_both_ways():
    with Guest("bash", CHANNELS) as guest, Console(guest.name) as console:
        console.type("\n")
        console.expect(PROMPT, 30)
        console.command(f"readlink {BYTES}", rf"^\.\./hvc{number(guest, 'test.bytes')}$")
        # What is a line on a terminal as it comes.
        client = connect()
        console.command(f"echo a line >{BYTES}", "")
        equal(receive(client, 8), b"a line\r\n", "a line of the guest")
        client.sendall(b"an answer\r")
        console.command(f"read -r line <{BYTES}; echo \"<$line>\"", "^<an answer>$")
        equal(receive(client, 11), b"an answer\r\n", "the echo of a typed line")
        console.command(f"stty -F {BYTES} raw -echo", "")
        exchange(console, client, 128 << 10, 1 << 20)
        text = output("xl", "channel-list", guest.name)
        check("socket" in text and "pty" in text, text)
        console.type("exit\n")
        guest.ended("poweroff")
        guest.never_said("PANIC", "CRASH")


@test(timeout=150)
def a_shell_on_a_further_console_is_typed_at_by_xl_console():
    with Guest("bash", CHANNELS) as guest:
        # Xen 4.17 has one `xl console` of a guest at a time.
        with Console(guest.name) as first:
            first.type("\n")
            first.expect(PROMPT, 30)
            first.command(f"bash <>{LINES} >&0 2>&0 &", "")
        device = number(guest, "test.lines")
        with Console(guest.name, "-t", "pv", "-n", device) as second:
            second.type("tty\n")
            second.expect(rf"^/dev/hvc{device}$", 30)
            # A line is edited before it is read.
            second.type("echo $((6 * 7)) >/tmp/answet\x7fr; echo do''ne\n")
            second.expect("^done$")
        with Console(guest.name) as first:
            first.type("\n")
            first.expect(PROMPT)
            first.command("kill %1; cat /tmp/answer; tty", r"^42\n/dev/hvc0$")


@test(timeout=150)
def a_console_whose_back_end_closes_is_connected_again():
    with Guest("bash", CHANNELS) as guest, Console(guest.name) as console:
        console.type("\n")
        console.expect(PROMPT, 30)
        console.command(f"stty -F {BYTES} raw -echo", "")
        device = number(guest, "test.bytes")
        back, front = guest.backend("console", device) + "/state", guest.path(f"device/console/{device}/state")
        client = connect()
        exchange(console, client, 5000, 5000)
        store_write(back, "5")
        wait_until(lambda: store_read(front) != "4", "the front end closes", step=0.01)
        wait_until(lambda: (store_read(front), store_read(back)) == ("4", "4"), "both are connected again")
        exchange(console, client, 5000, 5000)
        guest.never_said("PANIC", "CRASH")
