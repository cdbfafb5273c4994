"""Debian's programs as guests: right answers under load, a clean end by `xl shutdown`, and a second start."""

import hashlib
import os

import linux_clients
from harness import Guest, check, disks, equal, host_file, output, scratch
from suite import test

# What each says on its console at its start, and when it is told to end.
WORDS = {
    "nginx": (r"start worker processes", r"signal 15 \(SIGTERM\) received"),
    "redis": (r"Ready to accept connections", r"Received SIGTERM scheduling shutdown"),
    "memcached": (None, r"Exiting normally|Signal handled: Terminated"),
    "haproxy": (r"Loading success", r"Exiting Master process|Proxy web stopped"),
    "python3": (r"Serving HTTP on 0\.0\.0\.0", None),
}


def life(name, domain=None):
    """Starts it, asks what there is to ask, shuts it down, and starts it once more. `domain` is the guest if it is called otherwise."""
    domain = domain or name
    host_file(f"{domain}.cfg")
    with Guest(domain) as guest:
        for what, ask in linux_clients.checks(name, guest.name):
            try:
                ask()
            except AssertionError as error:
                raise AssertionError(f"{what}: {error}") from None
        start, end = WORDS[name]
        if start:
            guest.expect(start)
        output("xl", "shutdown", "-w", guest.name, timeout=30)
        console = guest.ended("poweroff")
        if end:
            guest.expect(end)
        equal(guest.store("control/shutdown"), "", "control/shutdown, which the guest empties as an answer")
        guest.never_said("PANIC", "CRASH")
        check(console.strip(), "nothing was said on the console")
    with Guest(domain) as guest:
        linux_clients.wait_serving(name)
        linux_clients.checks(name, guest.name)[1][1]()


@test(timeout=150)
def nginx_serves_files_with_two_workers():
    life("nginx")


@test(timeout=150)
def nginx_serves_files_out_of_an_initramfs():
    life("nginx", "nginx-initramfs")


@test(timeout=150)
def redis_keeps_what_it_is_told():
    life("redis")


@test(timeout=150)
def memcached_keeps_what_it_is_told():
    life("memcached")


@test(timeout=150)
def haproxy_answers_and_passes_on():
    life("haproxy")


@test(timeout=150)
def python_serves_a_directory():
    life("python3")


@test(timeout=120)
def bash_does_what_is_typed_and_the_guest_ends_with_it():
    with Guest("bash") as guest:
        linux_clients.bash_session(guest.name)()
        linux_clients.bash_exit(guest.name)()
        guest.ended("poweroff")
        equal(guest.store("data/exit-code"), "0", "data/exit-code")
        guest.never_said("PANIC", "CRASH")


@test(timeout=60)
def a_program_with_the_wrong_arguments_ends_the_guest_with_its_status():
    with Guest("python3", cmdline="root=xvda:ext4 loglevel=info -- python3 -c no_such_name") as guest:
        guest.expect(r"NameError", 40)
        guest.expect(r"exit (status|code) 1")
        equal(guest.store("data/exit-code"), "1", "data/exit-code")


# What a program does to its disks. Each step says its name when it is done; the last one is left dirty.
WRITER = r"""
set -e
head -c 5000000 /dev/urandom >/tmp/data
echo "sum $(sha256sum </tmp/data)"
dd if=/tmp/data of=/dev/xvdb bs=64k conv=fsync status=none
echo "back $(head -c 5000000 /dev/xvdb | sha256sum)"
dd if=/tmp/data of=/dev/xvdb bs=4k count=16 seek=2000 oflag=direct status=none
dd if=/tmp/data of=/dev/xvdb bs=1000 count=7 seek=9001 oflag=dsync status=none
echo "size $(head -c 4096 /dev/zero | dd of=/dev/xvdb bs=4096 seek=4096 2>&1 | grep -c 'No space left')"
dd if=/dev/zero of=/dev/xvdc bs=512 count=1 2>&1 | grep -o 'Operation not permitted'
echo written and flushed
dd if=/tmp/data of=/dev/xvdb bs=1M seek=10 status=none
grep Dirty /proc/meminfo
echo left dirty
sleep 100
"""


def part_of(path, offset, length):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


@test(timeout=90)
def disks_hold_what_dd_has_written_after_fsync_and_the_rest_after_xl_shutdown():
    image, script = scratch("dd.img"), scratch("dd.sh")
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    # The script is a disk, too: one that is only to be read.
    with open(script, "w") as file:
        file.write(WRITER.ljust(4096, "\n"))
    root = host_file("bash/root.img")
    devices = disks((root, "xvda", "r"), (image, "xvdb", "w"), (script, "xvdc", "r"))
    with Guest("bash", devices, cmdline="root=xvda:ext4 -- bash /dev/xvdc") as guest:
        guest.expect(r"^written and flushed", 40)
        console = guest.console()
        data = part_of(image, 0, 5_000_000)
        digest = hashlib.sha256(data).hexdigest()
        check(f"sum {digest}" in console, "dom0 does not find what was written before fsync")
        check(f"back {digest}" in console, "the guest reads something else than it wrote")
        check("size 1" in console and "Operation not permitted" in console, "no error behind the end, or on a disk to read")
        equal(part_of(image, 2000 * 4096, 65536), data[:65536], "what was written with O_DIRECT")
        equal(part_of(image, 9_001_000, 7000), data[:7000], "what was written with O_DSYNC")
        guest.expect(r"^left dirty", 20)
        output("xl", "shutdown", "-w", guest.name, timeout=30)
        guest.ended("poweroff")
        equal(part_of(image, 10 << 20, 5_000_000), data, "what was dirty when the guest was shut down")
        guest.never_said("PANIC", "CRASH")
    equal(part_of(script, 0, 4096).decode().strip(), WRITER.strip(), "the disk that is only to be read")
    os.remove(image)
    os.remove(script)
