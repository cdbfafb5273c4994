"""Disks: what the guest writes is what dom0 finds, and what cannot be used is refused by name."""

import os
import shutil
import struct

from harness import Failure, Guest, check, disks, equal, host_file, output, run, scratch, vif, vifs, wait_until
from http_client import get, httpd, site_files
from suite import test

FACTOR = 0x9E37_79B9_7F4A_7C15
CHUNK = 256 * 1024


def blank(name, mib):
    """An empty disk of its own for a test."""
    path = scratch(name)
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    return path


def pattern_chunks():
    """The chunks that blktest writes: each 64-bit word is its offset times FACTOR plus 1, modulo 2^64.

    The first is computed word by word; the others add a constant to each word, all even and all odd words at once in
    one large number (each has the room of its neighbour for the carry, which is cut off).
    """
    words = CHUNK // 8
    first = struct.pack(f"<{words}Q", *((index * 8 * FACTOR + 1) % 2**64 for index in range(words)))
    ones = int.from_bytes((b"\x01" + b"\x00" * 15) * (words // 2), "little")
    mask = ones * (2**64 - 1)
    number = int.from_bytes(first, "little")
    even, odd = number & mask, (number >> 64) & mask
    offset = 0
    while True:
        constant = ones * (offset * FACTOR % 2**64)
        both = ((even + constant) & mask) | (((odd + constant) & mask) << 64)
        yield both.to_bytes(CHUNK, "little")
        offset += CHUNK


def same_as_pattern(path, mib):
    with open(path, "rb") as file:
        for number, expected in zip(range(mib * 4), pattern_chunks()):
            found = file.read(CHUNK)
            if found != expected:
                bad = next((at for at, pair in enumerate(zip(found, expected)) if pair[0] != pair[1]), len(found))
                raise Failure(f"{path}: byte {number * CHUNK + bad} differs from what the guest was to write")


@test(timeout=120)
def sixty_four_megabytes_are_written_flushed_and_verified_again_from_dom0():
    image = blank("blktest.img", 64)
    with Guest("blktest", disks((image, "xvda", "w"))) as guest:
        console = guest.ended("poweroff", 60)
        check("64 MiB written and flushed" in console and "64 MiB read and verified" in console, "no report of both")
        check(console.rstrip().endswith("SUCCESS"), "no SUCCESS")
        guest.never_said("PANIC", "CRASH", "WARN", "ERROR")
    same_as_pattern(image, 64)
    with Guest("blktest", disks((image, "xvda", "r")), cmdline="-- xvda 64 verify") as guest:
        check("64 MiB read and verified" in guest.ended("poweroff", 30), "a second guest does not find it")
    with open(image, "r+b") as file:
        file.seek(33_333_333)
        file.write(flip(file))
    with Guest("blktest", disks((image, "xvda", "r")), cmdline="-- xvda 64 verify") as guest:
        check("byte 33333333 is" in guest.ended("crash", 30), "a wrong byte goes unnoticed")
    os.remove(image)


def put(file, offset, data):
    file.seek(offset)
    file.write(data)


def flip(file):
    """The next byte with its last bit turned; the file stays where it was."""
    at = file.tell()
    byte = file.read(1)[0] ^ 1
    file.seek(at)
    return bytes([byte])


@test()
def a_read_only_disk_refuses_writes_and_is_named():
    image = blank("readonly.img", 4)
    with Guest("blktest", disks((image, "xvda", "r")), cmdline="-- xvda 1") as guest:
        console = guest.ended("crash")
        check("xvda" in console and "read-only" in console, "no error that names the disk and says read-only")
        guest.never_said()
    with open(image, "rb") as file:
        check(not any(file.read()), "something was written")


@test()
def a_disk_with_sectors_of_4096_bytes_is_written_and_read():
    image = blank("large-sectors.img", 8)
    device = output("losetup", "-f", "--show", "-b", "4096", image).strip()
    try:
        entry = f"disk=['phy:{device},xvda,w']"
        with Guest("blktest", entry, cmdline="-- xvda 8") as guest:
            console = guest.ended("poweroff", 30)
            check("4096" in console, "the guest does not know the sector size")
            check("SUCCESS" in console, "no SUCCESS")
        output("sync")
        same_as_pattern(image, 8)
    finally:
        run("losetup", "-d", device, strict=False)


MAX_QUEUES = "/sys/module/xen_blkback/parameters/max_queues"


def random_disk(name, mib=16):
    """A disk in dom0's memory, which can discard."""
    path = f"/tmp/{name}"
    with open(path, "wb") as file:
        file.truncate(mib << 20)
    return path


@test(timeout=180)
def random_bursts_are_verified_through_every_way_that_the_back_end_offers():
    image = random_disk("random.img")
    with open(MAX_QUEUES) as file:
        queues = file.read()
    try:
        for number, (options, said) in enumerate((
            ("", "queues: 1, ring_pages: 1, slots: 32, max_segments: 64, persistent: true"),
            (" order=2", "queues: 1, ring_pages: 4, slots: 128,"),
            (" queues=2 order=1", "queues: 2, ring_pages: 2, slots: 128,"),
        )):
            put_text(MAX_QUEUES, "2" if "queues" in options else queues)
            with Guest("blktest", disks((image, "xvda", "w")), "memory=64", cmdline=f"-- xvda 16 random 32{options}") as guest:
                console = guest.ended("poweroff", 90)
                check(said in console, f"not through `{said}`")
                check("SUCCESS" in console, "no SUCCESS")
                check("discard: Some" in console, "the back end offers no discard")
                guest.never_said("PANIC", "CRASH", "WARN", "ERROR")
            # What is on the disk is what the random numbers say, as another guest finds.
            with Guest("blktest", disks((image, "xvda", "r")), "memory=64", cmdline="-- xvda 16 random 32 replay") as guest:
                check("SUCCESS" in guest.ended("poweroff", 60), "a second guest finds something else")
            if number < 2:
                image = random_disk("random.img")
    finally:
        put_text(MAX_QUEUES, queues)
        os.remove(image)


@test(timeout=90)
def a_disk_that_is_written_through_the_page_cache_is_whole_though_it_is_detached_meanwhile():
    image = random_disk("cached.img", 6)
    try:
        with Guest("blktest", disks((image, "xvda", "w")), cmdline="-- xvda 6 cached connections=2") as guest:
            guest.expect("thread 0 has written half")
            guest.expect("thread 1 has written half")
            output("xl", "block-detach", guest.name, "xvda")
            output("xl", "block-attach", guest.name, f"format=raw,vdev=xvda,access=rw,target={image}")
            console = guest.ended("poweroff", 60)
            check("5 MiB written through the cache" in console and "SUCCESS" in console, "it is not written")
            check("connections: 2" in console, "it was not connected twice")
            check("lost_bytes: 0" in console, "something was given up")
            guest.never_said("PANIC", "CRASH", "WARN", "ERROR")
        # The last MiB was dirty at the end of the guest.
        same_as_pattern(image, 6)
    finally:
        os.remove(image)


@test(timeout=180)
def a_disk_that_is_detached_and_attached_while_it_is_written_goes_on():
    image = random_disk("detached.img")
    try:
        # It goes on until it has been connected four times, however fast it is.
        with Guest("blktest", disks((image, "xvda", "w")), "memory=64", cmdline="-- xvda 16 random 16 connections=4") as guest:
            for _ in range(3):
                rounds = guest.console().count("round ")
                wait_until(lambda: guest.console().count("round ") > rounds, "further rounds", 40)
                output("xl", "block-detach", guest.name, "xvda")
                output("xl", "block-attach", guest.name, f"format=raw,vdev=xvda,access=rw,target={image}")
            console = guest.ended("poweroff", 90)
            check("SUCCESS" in console, "no SUCCESS")
            check("connections: 4" in console, "it was not connected four times")
            guest.never_said("PANIC", "CRASH", "WARN", "ERROR")
    finally:
        os.remove(image)


@test(timeout=60)
def a_disk_that_grows_in_use_is_seen():
    image = random_disk("growing.img", 4)
    device = output("losetup", "-f", "--show", image).strip()
    try:
        entry = f"disk=['phy:{device},xvda,w']"
        with Guest("blktest", entry, cmdline="-- xvda 4 grow 6") as guest:
            guest.expect("waits for 6291456 bytes")
            with open(image, "r+b") as file:
                file.truncate(6 << 20)
            output("losetup", "-c", device)
            check("SUCCESS" in guest.ended("poweroff", 30), "no SUCCESS")
    finally:
        run("losetup", "-d", device, strict=False)
        os.remove(image)


def put_text(path, text):
    with open(path, "w") as file:
        file.write(text)


@test()
def several_disks_are_told_apart():
    paths = [blank(f"disk{number}.img", 2 + number) for number in range(3)]
    entry = disks(*((path, f"xvd{letter}", "w") for path, letter in zip(paths, "abc")))
    with Guest("blktest", entry, cmdline="-- xvdb 3") as guest:
        check("SUCCESS" in guest.ended("poweroff", 30), "no SUCCESS")
    same_as_pattern(paths[1], 3)
    for path in (paths[0], paths[2]):
        with open(path, "rb") as file:
            check(not any(file.read()), f"{path} was written too")


@test()
def a_disk_that_is_missing_is_named_with_those_there_are():
    image = blank("only.img", 1)
    with Guest("blktest", disks((image, "xvdc", "w"))) as guest:
        check("no disk xvda: this domain has xvdc" in guest.ended("crash"), "no such line")
    with Guest("blktest", "disk=[]") as guest:
        check("no disk xvda: this domain has none" in guest.ended("crash"), "no such line")


@test()
def more_than_the_disk_holds_is_refused():
    image = blank("small.img", 1)
    with Guest("blktest", disks((image, "xvda", "w")), cmdline="-- xvda 2") as guest:
        check("xvda has 1048576 bytes, 2097152 were asked for" in guest.ended("crash"), "no such line")


def refused(image, *says):
    """An httpd with such a disk ends with an error about it, not with a panic."""
    with Guest("httpd", disks((image, "xvda", "r"))) as guest:
        console = guest.ended("crash")
        guest.never_said()
        check("exit code" in console, "no exit code")
        check("ERROR" in console, "no error")
        for text in says:
            check(text in console, f"the error does not say `{text}`")
        equal(guest.store("data/exit-code"), "1", "data/exit-code")


@test(timeout=90)
def what_is_no_ext4_is_refused_with_a_reason():
    blank_image = blank("empty.img", 4)
    refused(blank_image, "/dev/xvda:/:ext4")
    with open(blank_image, "r+b") as file:
        file.write(os.urandom(1 << 20))
    refused(blank_image, "/dev/xvda:/:ext4")
    with open(blank_image, "r+b") as file:
        file.write(b"XFSB" + bytes(65536))
    refused(blank_image, "/dev/xvda:/:ext4")
    with open(blank_image, "wb") as file:
        file.truncate(512)
    refused(blank_image, "/dev/xvda:/:ext4")


@test(timeout=120)
def an_ext4_damaged_in_its_superblock_or_cut_off_is_refused_or_served_without_harm():
    image = scratch("damaged.img")
    shutil.copyfile(host_file("site.img"), image)
    # Log of the block size, blocks per group, inodes per group, inode size.
    for offset in (0x18, 0x20, 0x28, 0x58):
        with open(image, "r+b") as file:
            file.seek(1024 + offset)
            right = file.read(2)
            put(file, 1024 + offset, b"\xff\xff")
        refused(image)
        with open(image, "r+b") as file:
            put(file, 1024 + offset, right)
    with open(image, "r+b") as file:
        file.truncate(100 * 1024)
    refused(image)
    os.remove(image)


@test(timeout=60)
def an_ext4_with_random_damage_never_ends_the_guest():
    image = scratch("random.img")
    shutil.copyfile(host_file("site.img"), image)
    # Group descriptors, bitmaps and inode tables are at the start; the superblock stays.
    with open(image, "r+b") as file:
        for number in range(400):
            file.seek(8192 + (number * 7919) % (600 * 1024))
            file.write(bytes([number % 251]) * 16)
    with Guest("httpd", disks((image, "xvda", "r"))) as guest:
        guest.expect("serving|exit code", 15)
        if "exit code" not in guest.console():
            for path in site_files():
                status = get_any(path)
                check(status is None or status in (200, 403, 404, 500), f"{path}: {status}")
        guest.never_said()


def get_any(path):
    """The status, or None where the server had to break off."""
    try:
        return get(path)[0]
    except Failure:
        return None


@test()
def two_file_systems_are_mounted_side_by_side():
    with httpd(disks((host_file("site.img"), "xvda", "r"), (host_file("bigsite.img"), "xvdb", "r")), vifs(vif(2)),
               cmdline="ip=10.0.0.2/24 mount=xvda:/ mount=xvdb:/big:ext4") as guest:
        equal(get("/small.txt")[2], site_files()["/small.txt"], "a file of the first disk")
        equal(get("/big/small.txt")[0], 200, "a file of the second disk")
        guest.never_said("PANIC", "CRASH", "ERROR")
