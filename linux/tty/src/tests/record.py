#!/usr/bin/env python3
"""Records what a Linux pseudo-terminal does with random keys, for `recorded.rs`: record.py CASES [SEED] > recorded.txt"""
import fcntl, os, random, struct, sys, termios, time

TCGETS, TCSETS = 0x5401, 0x5402
I = dict(PARMRK=0o10, ISTRIP=0o40, INLCR=0o100, IGNCR=0o200, ICRNL=0o400, IUCLC=0o1000, IXON=0o2000, IXANY=0o4000, IUTF8=0o40000)
O = dict(OPOST=1, OLCUC=2, ONLCR=4, OCRNL=8, ONOCR=16, ONLRET=32, XTABS=0o14000)
L = dict(ISIG=1, ICANON=2, ECHO=8, ECHOE=16, ECHOK=32, ECHONL=64, NOFLSH=128, ECHOCTL=512, ECHOPRT=1024, ECHOKE=2048, IEXTEN=32768)
VEOL, VEOL2, VMIN, VTIME = 11, 16, 6, 5


def pick(flags, usual, change):
    return sum(bit for name, bit in flags.items() if (name in usual) != (random.random() < change))


def keys():
    parts = []
    for _ in range(random.randint(1, 8)):
        parts.append(random.choice([
            b"a", b"b c", b"word_1", b" ", b"  ", b"\t", "ü".encode(), "€x".encode(), b"\xff", b"\x80", b";", b"A",
            b"\x7f", b"\x7f", b"\x7f\x7f", b"\x17", b"\x15", b"\x12", b"\x16", b"\n", b"\n", b"\r", b"\x04", b"\x04",
            b"\x11", b"\x01", b"\x1b[A", b"\0", b"|"]))
    return b"".join(parts)


def drain(fd, size=4096):
    """Reads until nothing has come for a while: the kernel hands bytes over in a thread of its own."""
    got, quiet = b"", 0
    while quiet < 12:
        time.sleep(0.001)
        try:
            got, quiet = got + os.read(fd, size), 0
        except BlockingIOError:
            quiet += 1
    return got


def settings(change):
    lflag = pick(L, {"ISIG", "ICANON", "ECHO", "ECHOE", "ECHOK", "ECHOCTL", "ECHOKE", "IEXTEN"}, change)
    iflag = pick(I, {"ICRNL", "IXON"}, change)
    oflag = pick(O, {"OPOST", "ONLCR"}, change)
    special = [random.choice([0, 0, ord(";")]), random.choice([0, 0, ord("|")]), random.choice([0, 1, 1, 3])]
    return "set", iflag, oflag, lflag, *special


def script(change):
    yield settings(change)
    for _ in range(random.randint(3, 8)):
        what = random.random()
        if what < 0.08:
            yield settings(change)
        elif what < 0.2:
            yield "write", random.choice([b"out\n", b"$ ", b"a\tb", b"\r\rx\r", b"b\x08c", "ü\t".encode()])
        elif what < 0.65:
            # What is shown of keys typed in the same moment as these depends on the kernel's threads.
            alone = random.choice([b"\x13", b"\x03", b"\x1a", b"\x1c"])
            yield "type", alone if random.random() < 0.15 else keys()
        else:
            yield "read", random.choice([1, 2, 3, 5, 100, 100])


def run(steps):
    master, slave = os.openpty()
    os.set_blocking(master, False)
    os.set_blocking(slave, False)
    lines = ["case"]
    for what, *arguments in steps:
        if what == "set":
            iflag, oflag, lflag, *special = arguments
            old = bytearray(fcntl.ioctl(master, TCGETS, bytes(36)))
            struct.pack_into("<II", old, 0, iflag, oflag)
            struct.pack_into("<I", old, 12, lflag)
            old[17 + VEOL], old[17 + VEOL2], old[17 + VMIN], old[17 + VTIME] = *special, 0
            fcntl.ioctl(master, TCSETS, bytes(old))
            result = " ".join(f"{number:x}" for number in arguments)
        elif what == "type":
            os.write(master, arguments[0])
            result = arguments[0].hex()
        else:
            shown = arguments[0].hex() if what == "write" else str(arguments[0])
            try:
                result = os.write(slave, arguments[0]) if what == "write" else os.read(slave, arguments[0]).hex() or "-"
            except BlockingIOError:
                result = "again"
            result = f"{shown} {result}"
        lines.append(f"{what} {result}")
        lines.append(f"shown {drain(master).hex() or '-'}")
    os.close(slave)
    os.close(master)
    return lines


def case(change):
    steps = list(script(change))
    first, second = run(steps), run(steps)
    if first == second:
        print("\n".join(first))
    else:
        print("left out:", steps, file=sys.stderr)


random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
print("# Recorded by record.py on Linux", os.uname().release.split("-")[0])
for number in range(int(sys.argv[1])):
    case([0, 0.05, 0.15, 0.3][number % 4])
