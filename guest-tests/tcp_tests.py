"""TCP that has to be right: much data, a network that loses, repeats, reorders and corrupts, and many connections.

The guest is examples/nettest. Its first vif is on dom0's bridge; its second is beside the machine near (two_networks.py), whose
wire is made bad by netem: on near's own end for what the guest gets, on the bridge's end of it for what the guest sends.
"""

import contextlib
import random
import re
import socket
import struct
import time

import stream
import two_networks as networks
from hostile_tcp import ACK, ADDRESS, FIN, PSH, RST, SYN, URG, Caller, Wire, segment
from harness import Guest, check, equal, output, run, shared, vif, vifs, wait_until
from suite import test
from two_networks import inside, on

SERVER, SERVER_V6 = "10.0.0.18", "fd00:10::18"
# As near sees the guest.
BESIDE, BESIDE_V6 = "10.11.0.18", "fd00:11::18"
GIB = 1 << 30
TO_GUEST, FROM_GUEST = 0, 1
# At 2 to 9 MB/s, which is what this loss leaves (Linux to Linux: 4 to 28), some 4 s for each of four ways.
THROUGH_BAD = 16 << 20
# All that can happen to a packet; what is not delayed overtakes the others.
BAD_NETWORK = "delay 2ms loss 1% reorder 25% 50% duplicate 1% corrupt 1% limit 5000"


def nettest():
    def make():
        networks.make()
        networks.forget()
        both = vifs(vif(0x18), vif(0x19, networks.BRIDGES[0]))
        addresses = f"ip={SERVER}/24,{SERVER_V6}/64 ip1={BESIDE}/24,{BESIDE_V6}/64"
        guest = Guest("nettest", both, cmdline=addresses)
        guest.expect("^nettest: ", 20)
        wait_until(lambda: run("nc", "-z", "-w", "2", SERVER, "13", strict=False)[0] == 0, "it listens", 20)
        return guest
    return shared("nettest", make)


def connect(address, port, near=False, timeout=60):
    with inside(0) if near else contextlib.nullcontext():
        made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.settimeout(timeout)
    made.connect((address, port))
    return made


def state():
    """What the guest says that it uses."""
    with connect(SERVER, 13) as made:
        line = b"".join(iter(lambda: made.recv(1000), b"")).decode()
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", line)}


def goes(direction, address, size, near=False):
    """Sends so many bytes that way, and compares."""
    started = time.monotonic()
    with connect(address, 9 if direction == TO_GUEST else 19, near) as made:
        if direction == TO_GUEST:
            equal(stream.send(made, size), f"{size} bytes are right", "what the guest says")
        else:
            equal(stream.receive(made, size), size, "bytes from the guest")
    seconds = time.monotonic() - started
    print(f"{size >> 20} MiB {'from' if direction else 'to'} {address} in {seconds:.1f} s: {size / seconds / 1e6:.1f} MB/s", flush=True)


@contextlib.contextmanager
def bad(network=BAD_NETWORK, offloads=True):
    """A bad network on both ends of near's wire; without offloads a long segment is divided before it meets it."""
    ends = (on(0, "tc"), "eth0"), (("tc",), "ve-near")
    switch = "on" if offloads else "off"
    features = ("tso", switch, "gso", switch, "gro", switch, "sg", switch)
    for words in (on(0, "ethtool", "-K", "eth0", *features), ("ethtool", "-K", "ve-near", *features)):
        output(*words)
    try:
        for words, device in ends:
            output(*words, "qdisc", "replace", "dev", device, "root", "netem", *network.split())
        yield
    finally:
        for words, device in ends:
            run(*words, "qdisc", "del", "dev", device, "root", strict=False)


@test(timeout=240)
def a_gibibyte_comes_from_the_guest():
    guest = nettest()
    goes(FROM_GUEST, SERVER, GIB)
    guest.never_said()


@test(timeout=240)
def a_gibibyte_goes_to_the_guest():
    guest = nettest()
    goes(TO_GUEST, SERVER_V6, GIB)
    guest.never_said()


def near_bad_checksums():
    names, values = [line.split() for line in output(*on(0, "cat", "/proc/net/snmp")).splitlines() if line.startswith("Tcp:")]
    return int(values[names.index("InCsumErrors")])


@test(timeout=180)
def nothing_is_wrong_behind_a_network_that_loses_repeats_reorders_and_corrupts():
    guest = nettest()
    # Neighbours are learnt over the network as it is: what ARP says has no checksum.
    for address in (BESIDE, BESIDE_V6):
        output(*on(0, "ping", "-c", "1", "-W", "10", address))
    before, near_before = state()["bad_checksums"], near_bad_checksums()
    for offloads, direction, address in (
        (True, FROM_GUEST, BESIDE), (True, TO_GUEST, BESIDE), (False, FROM_GUEST, BESIDE_V6), (False, TO_GUEST, BESIDE_V6),
    ):
        with bad(offloads=offloads):
            goes(direction, address, THROUGH_BAD, near=True)
    check(state()["bad_checksums"] > before and near_bad_checksums() > near_before, "nothing was corrupted on one of the ways")
    guest.never_said()


@test(timeout=180)
def ten_thousand_connections_in_a_row_leave_nothing_behind():
    guest = nettest()

    def calls(count, at_once=100):
        for start in range(0, count, at_once):
            made = [socket.socket() for _ in range(at_once)]
            # We end those to port 7 first, the guest those to port 13.
            ports = [13 if (start + number) % 4 == 3 else 7 for number in range(at_once)]
            for one, port in zip(made, ports):
                one.setblocking(False)
                one.connect_ex((SERVER, port))
                one.setblocking(True)
            for one, port in zip(made, ports):
                if port == 7:
                    one.sendall(b"a word")
            for one, port in zip(made, ports):
                answer = one.recv(1000)
                check(answer.startswith(b"cpu_us=") if port == 13 else answer == b"a word", f"port {port} says {answer}")
                one.close()

    def at_rest():
        now = state()
        return now if now["connections"] == 1 else None
    # The second half finds the tables as large as they get.
    started = time.monotonic()
    calls(5000)
    half = wait_until(at_rest, "the guest forgets its connections", 20)
    calls(5000)
    print(f"10,000 connections in {time.monotonic() - started:.1f} s", flush=True)
    end = wait_until(at_rest, "the guest forgets its connections", 20)
    equal((half["tcp_bytes"], end["tcp_bytes"]), (1024, 1024), "bytes of TCP, for who asks")
    # The quicker the second half was, the more of those that the guest ended are in TIME_WAIT at once, and the heap keeps the pages of
    # their table; a leak of a connection for each would be a thousand pages.
    check(end["free_pages"] >= half["free_pages"] - 160, f"free pages: {half['free_pages']}, then {end['free_pages']}")
    check(end["time_wait"] <= 4096, f"{end['time_wait']} in TIME-WAIT")
    guest.never_said()


def echoes(made, data=b"a word"):
    made.sendall(data)
    back = b""
    while len(back) < len(data):
        back += made.recv(65536) or check(False, "the connection ended")
    equal(back, data, "what came back")


@test(timeout=60)
def forged_segments_do_not_end_a_connection():
    guest = nettest()
    wire = Wire(BESIDE)
    with connect(BESIDE, 7, near=True) as good:
        ports = good.getsockname()[1], 7
        echoes(good)
        # The last that near acknowledged: its own next number, and the guest's.
        last = wire.wait(lambda seen: seen and seen.ports == ports and not seen.payload and seen.flags == ACK and seen.ack != 0 and seen,
                         "near's acknowledgement")
        while (seen := wire.take(0.5)) is not None:
            last = seen if seen and seen.ports == ports and not seen.payload else last
        near = bytes.fromhex(output("ip", "netns", "exec", "near", "cat", "/sys/class/net/eth0/address").strip().replace(":", ""))
        before = state()

        def forge(seq, flags, ack=0, payload=b"", **more):
            wire.send(segment(networks.V4[0], BESIDE, ports, last.seq + seq, last.ack + ack, flags, payload=payload, **more), near)
        for seq in (1, 2, 1000, 30_000, -1, -30_000, 1 << 31, 1 << 30):
            for flags in (RST, RST | ACK, SYN, SYN | ACK, SYN | FIN, FIN | RST | URG | PSH, 0):
                forge(seq, flags)
        for seq in (0, 1, 500):
            forge(seq, SYN)
            forge(seq, ACK, 100_000, b"not what was said")
            forge(seq, ACK, -(1 << 30), b"not what was said")
            forge(seq, 0, 0, b"no acknowledgement")
            forge(seq, PSH | ACK, 0, b"a wrong checksum", fault=0x100)
            forge(seq, PSH | ACK, 0, b"not in the segment", offset=15)
            forge(seq, PSH | ACK, 0, b"a short header", offset=4)
        for seq in (-20, 1 << 29, -(1 << 29)):
            forge(seq, PSH | ACK, 0, b"old")
            forge(seq, FIN | ACK)
        echoes(good, b"as before" * 5000)
        after = state()
        equal(after["connections"], before["connections"], "connections")
    guest.never_said()


@test(timeout=90)
def peers_that_speak_tcp_badly_are_borne():
    guest = nettest()
    wire = Wire(BESIDE)
    chance = random.Random(1)
    with connect(BESIDE, 7, near=True) as good:
        echoes(good)
        before = state()
        # Options that are none, too long, too short, or unheard of.
        for options in (b"\2", b"\2\0", b"\2\1", b"\2\3\5", b"\2\4\0\0", b"\2\4\0\1", b"\2\4\xff\xff", b"\3\3\xff", b"\3\2", b"\4\3\0", b"\5\2", b"\5\3\1",
                        b"\5\x0b" + bytes(9), b"\5\x22" + bytes(32), b"\x08\2", b"\x08\x0a" + bytes(8), b"\x08\x0b" + bytes(9), b"\xfe\xff", b"\x13\x12" + bytes(16),
                        b"\1" * 40, b"\0" * 40, b"\x22\2", b"\x22\0", bytes(range(1, 41))):
            wire.send(segment(ADDRESS, BESIDE, (30_000 + len(options), 7), 1, 0, SYN, options=options))
        # Pieces in the wrong order, over each other, before, within and behind.
        caller, text = Caller(wire, 7), bytes(range(65, 91)) * 8
        for start, end in ((20, 30), (15, 25), (100, 101), (99, 102), (40, 200), (30, 41), (29, 208), (1, 16), (-5, 1)):
            caller.send(PSH | ACK, (b"?" * 5 + text)[start + 5:end + 5], at=start)
        equal(caller.receive(len(text))[0], text, "what came back of pieces over each other")
        caller.send(FIN | ACK, at=len(text))
        # A peer that wants a byte in each segment, one that never opens its window, and SACKs of what was not sent.
        caller = Caller(wire, 19, b"\2\4\0\1")
        caller.send(PSH | ACK, b"5000\n")
        caller.seq += 5
        data, longest = caller.receive(5000)
        check(data == stream.BLOCK[:5000] and longest >= 32, f"segments of {longest} bytes")
        caller.reset()
        closed = [Caller(wire, 19, window=0) for _ in range(40)]
        for caller in closed:
            caller.send(PSH | ACK, b"100000000\n")
        caller = Caller(wire, 19, b"\2\4\5\xb4\1\1\4\2\1\3\3\0")
        caller.send(PSH | ACK, b"300000\n")
        caller.seq += 7

        def lie():
            places = [(caller.ack + chance.choice((0, 1, 1448, 5000, 1 << 20, 1 << 31, -1, -5000)) + chance.randrange(3000)) & 0xFFFFFFFF for _ in range(8)]
            caller.send(options=b"\1\1\5\x22" + struct.pack("!8I", *places))
            caller.send(ack=chance.choice((1 << 20, -1, -100_000, 1 << 31)))
        data, _ = caller.receive(300_000, also=lie)
        check(data == stream.BLOCK[:300_000], "what comes to a liar is wrong")
        caller.reset()
        # Anything at all, on a connection and beside it.
        caller = Caller(wire, 7)
        for _ in range(1500):
            caller.send(chance.getrandbits(6) & ~RST, chance.randbytes(chance.choice((0, 0, 1, 50, 1400))), at=chance.choice((0, 1, 100, 50_000, -1, 1 << 31)),
                        ack=chance.choice((0, 0, 0, -1, 1, 1 << 31)), window=chance.choice((0, 1, 60_000)), options=chance.randbytes(chance.choice((0, 0, 4, 12, 40))))
        echoes(good, b"as before" * 1000)
        for caller in closed:
            caller.seq += 10
            caller.reset()
        with connect(BESIDE, 7, near=True) as another:
            echoes(another)
    guest.never_said()


@test(timeout=60)
def a_flood_of_calls_leaves_old_and_new_connections_working():
    guest = nettest()
    wire = Wire(BESIDE)
    with connect(BESIDE, 7, near=True) as good:
        echoes(good)
        for number in range(4000):
            # Half of them from neighbours that do not exist, half from where no route leads.
            source = f"10.11.0.{100 + number % 100}" if number % 2 else f"192.0.2.{number % 250 + 1}"
            wire.send(segment(source, BESIDE, (1024 + number, 7), number << 16, 0, SYN, options=b"\2\4\5\xb4"))
        echoes(good, b"as before" * 1000)
        for _ in range(20):
            with connect(BESIDE, 7, near=True) as another:
                echoes(another)
    guest.never_said()
