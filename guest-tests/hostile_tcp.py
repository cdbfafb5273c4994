"""A machine that speaks TCP by hand, to speak it badly: raw Ethernet frames on near's wire (two_networks.py), over IPv4."""

import random
import socket
import struct
import time

from two_networks import inside

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
# Who nobody else is; its hardware address is ours alone, so that near's kernel answers nothing.
ADDRESS, MAC = "10.11.0.77", bytes.fromhex("020000000077")
ETH_P_ALL = 3


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def segment(source, target, ports, seq, ack, flags, window=60_000, options=b"", payload=b"", offset=None, fault=0):
    """An IP packet with a TCP segment; `offset` and `fault` falsify the header's length and the checksum."""
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    start = struct.pack("!HHIIBBH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, words << 4, flags, window)
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    rest = bytes(2) + options + payload
    whole = len(start) + 2 + len(rest)
    check = checksum(ends + struct.pack("!HH", 6, whole) + start + bytes(2) + rest) ^ fault
    ip = struct.pack("!BBHHHBB", 0x45, 0, 20 + whole, 1, 0, 64, 6)
    return ip + struct.pack("!H", checksum(ip + bytes(2) + ends)) + ends + start + struct.pack("!H", check) + rest


class Seen:
    """A TCP segment on the wire."""

    def __init__(self, frame):
        ip = frame[14:]
        header = (ip[0] & 15) * 4
        tcp = ip[header:struct.unpack("!H", ip[2:4])[0]]
        self.source, self.target = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
        self.ports = struct.unpack("!HH", tcp[:4])
        self.seq, self.ack = struct.unpack("!II", tcp[4:12])
        self.flags = tcp[13]
        self.payload = tcp[(tcp[12] >> 4) * 4:]


class Wire:
    """near's wire; knows the guest's hardware address once it has asked."""

    def __init__(self, guest):
        self.guest = guest
        with inside(0):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind(("eth0", ETH_P_ALL))
        self.mac = None
        self.arp(1, b"\xff" * 6, bytes(6))
        self.wait(lambda _: self.mac, "the guest tells its hardware address")

    def arp(self, operation, to, whose):
        body = struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) + MAC + socket.inet_aton(ADDRESS)
        self.socket.send(to + MAC + b"\x08\x06" + body + whose + socket.inet_aton(self.guest))

    def send(self, packet, source=MAC):
        self.socket.send(self.mac + source + b"\x08\x00" + packet)

    def take(self, timeout):
        """The next TCP segment on the wire, or None; answers the guest's ARP."""
        self.socket.settimeout(max(timeout, 0.001))
        try:
            frame = self.socket.recv(70_000)
        except TimeoutError:
            return None
        if frame[12:14] == b"\x08\x06" and frame[28:32] == socket.inet_aton(self.guest):
            self.mac = frame[22:28]
            if frame[20:22] == b"\0\1" and frame[38:42] == socket.inet_aton(ADDRESS):
                self.arp(2, self.mac, self.mac)
            return False
        is_tcp = len(frame) >= 54 and frame[12:14] == b"\x08\x00" and frame[23] == 6
        return Seen(frame) if is_tcp else False

    def wait(self, wanted, what, timeout=20):
        """The first segment that is wanted."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            seen = self.take(left)
            if seen is not None and (found := wanted(seen)):
                return found
        raise AssertionError(f"{what}: not within {timeout} s")


class Caller:
    """A connection from ADDRESS to a port of the guest, of which every segment is made by hand."""

    count = 0

    def __init__(self, wire, port, options=b"", window=60_000, seq=None):
        Caller.count += 1
        self.wire, self.window = wire, window
        self.ports = (20_000 + Caller.count, port)
        self.seq = random.getrandbits(32) if seq is None else seq
        self.ack = 0
        self.send(SYN, options=options)
        answer = self.wait("the answer to a call", lambda seen: seen.flags & SYN)
        self.seq, self.ack = self.seq + 1, answer.seq + 1
        self.send(ACK)

    def send(self, flags=ACK, payload=b"", at=0, ack=0, **more):
        """A segment `at` bytes after where we are, that acknowledges `ack` more than what came."""
        packet = segment(ADDRESS, self.wire.guest, self.ports, self.seq + at, self.ack + ack, flags, payload=payload,
                         **{"window": self.window, **more})
        self.wire.send(packet)

    def wait(self, what, wanted=lambda _: True, timeout=20):
        def mine(seen):
            return seen and seen.ports == self.ports[::-1] and wanted(seen) and seen
        return self.wire.wait(mine, what, timeout)

    def receive(self, size, also=lambda: None):
        """The next bytes, acknowledged as they come; `also` is done before each acknowledgement. Returns them and the longest segment."""
        parts, end, longest, start = {}, 0, 0, self.ack
        while end < size:
            seen = self.wait(f"{size - end} more bytes", lambda seen: seen.payload)
            longest = max(longest, len(seen.payload))
            place = seen.seq - start & 0xFFFFFFFF
            parts[place] = max(parts.get(place, b""), seen.payload, key=len)
            while end in parts:
                end += len(parts[end])
            self.ack = start + end
            also()
            self.send()
        found = bytearray(end)
        for place, part in parts.items():
            found[place:place + len(part)] = part
        return bytes(found[:size]), longest

    def reset(self):
        self.send(RST)
