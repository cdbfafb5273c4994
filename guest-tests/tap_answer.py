"""Runs inside a packed guest: answers ARP, ping and UDP on two taps, tap N as 10.0.0.{70+N}. The second has a virtio_net_hdr.

A UDP datagram comes back with OK or BAD before it, by what its checksum is when it gets here; "end" ends the guest."""

import fcntl
import os
import select
import struct
import sys

TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ, SIOCGIFHWADDR = 0x400454CA, 0x400454D0, 0x400454D8, 0x8927
TAP, NO_PI, VNET_HDR = 0x0002, 0x1000, 0x4000
HEADERS = [0, 12, 0, 0, 0, 0, 0, 0]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def make(number):
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = TAP | NO_PI | (VNET_HDR if HEADERS[number] else 0)
    request = struct.pack("16sH22x", f"vif9.{number}-emu".encode(), flags)
    fcntl.ioctl(file, TUNSETIFF, request)
    if HEADERS[number]:
        fcntl.ioctl(file, TUNSETVNETHDRSZ, struct.pack("i", HEADERS[number]))
    fcntl.ioctl(file, TUNSETOFFLOAD, 7 if HEADERS[number] else 0)
    return file


def answer(number, file, header, frame):
    mine = bytes([10, 0, 0, 70 + number])
    mac = fcntl.ioctl(file, SIOCGIFHWADDR, bytes(40))[18:24]
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == mine:
        return frame[6:12] + mac + frame[12:20] + b"\0\2" + mac + mine + frame[22:32]
    if frame[12:14] != b"\x08\x00" or frame[30:34] != mine:
        return None
    length, = struct.unpack("!H", frame[16:18])
    ip, rest = frame[14:34], frame[34:14 + length]
    if ip[9] == 1 and rest[0] == 8:
        rest = b"\0\0\0\0" + rest[4:]
        rest = rest[:2] + struct.pack("!H", checksum(rest)) + rest[4:]
    elif ip[9] == 17:
        if rest[8:] == b"end":
            print("asked to end", flush=True)
            sys.exit(0)
        pseudo = ip[12:20] + struct.pack("!HH", 17, len(rest))
        if header and header[0] & 1:
            # The sum of the pseudo-header stands in the field; the rest is for who sends it on.
            start, offset = struct.unpack("<HH", header[6:10])
            summed = checksum(rest)
            is_right = (start, offset) == (34, 6) and checksum(pseudo + rest[:6] + struct.pack("!H", summed) + rest[8:]) == 0
        else:
            is_right = checksum(pseudo + rest) == 0
        data = (b"OK" if is_right else b"BAD") + rest[8:]
        rest = rest[2:4] + rest[0:2] + struct.pack("!HH", 8 + len(data), 0) + data
    else:
        return None
    ip = ip[:2] + struct.pack("!H", 20 + len(rest)) + ip[4:10] + b"\0\0" + ip[16:20] + ip[12:16]
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return frame[6:12] + mac + frame[12:14] + ip + rest


def main():
    try:
        os.close(make(7))
    except (OSError, IndexError) as error:
        print(f"no tap 7: {error}", flush=True)
    files = [make(0), make(1)]
    print("the taps are there", flush=True)
    poll = select.poll()
    for file in files:
        poll.register(file, select.POLLIN)
    while True:
        for file, _ in poll.poll():
            number = files.index(file)
            length = HEADERS[number]
            while True:
                try:
                    frame = os.read(file, 70000)
                except BlockingIOError:
                    break
                reply = answer(number, file, frame[:length], frame[length:])
                if reply:
                    os.writev(file, [bytes(length), reply[:20], reply[20:]])


main()
