"""HVM guests whose device model has a domain of its own: the disk and the network program of stubdom-tests/, their serial line, and
the network that the latter comes from.

`Hvm` is the main thing here. What the guests know is a letter each: stubdom-tests/commands.s has them.
"""

import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import termios
import threading
import time
import tty

import harness
from harness import Failure, check, host_file, output, run, scratch, store_read, wait_until

SECTOR = 512
COMMANDS = 32
AREA = 64
COUNT = 64
DMA_AREA = 1024
DISK_BYTES = 4 << 20
# What `xl create` may take: libxl waits 30 s for the device model, and dom0's part takes as long again on a busy machine.
CREATE = 120


def version():
    info = output("xl", "info")
    return ".".join(re.search(r"xen_version\s*:\s*(\d+)\.(\d+)", info).groups())


def boot_disk(name, commands=""):
    """A disk to boot from, whose program does this first."""
    path = scratch(f"{name}.img")
    shutil.copy(host_file("hvm/boot.img"), path)
    with open(path, "r+b") as file:
        file.seek(COMMANDS * SECTOR)
        file.write(commands.encode().ljust(SECTOR, b"\0"))
    return path


def empty_disk(name):
    path = scratch(f"{name}.img")
    with open(path, "wb") as file:
        file.truncate(DISK_BYTES)
    return path


def words(first, step, count):
    return b"".join((first + step * number & 0xFFFF).to_bytes(2, "little") for number in range(count))


def bios_pattern(disk):
    """What the letter W leaves on a disk, from sector AREA on."""
    return words(0x1235 * (disk + 1), 0x9E37, COUNT * 256)


def dma_pattern(disk):
    """What the letter M leaves on a disk, from sector DMA_AREA on."""
    return words(0x4321 + 0x1111 * disk, 0x3D09, 16 * 2048)


def check_patterns(path, disk=0, bios=True, dma=True):
    """Looks for the patterns on a disk that was flushed, or whose device model has gone."""
    def same():
        with open(path, "rb") as file:
            file.seek(AREA * SECTOR)
            right = not bios or file.read(COUNT * SECTOR) == bios_pattern(disk)
            file.seek(DMA_AREA * SECTOR)
            return right and (not dma or file.read(65536) == dma_pattern(disk))
    wait_until(same, f"{path} has what the guest wrote", 5, 0.2)


def open_port(model, number):
    """A guest's serial port, raw: a pty of the domain of its device model."""
    path = wait_until(lambda: store_read(f"/local/domain/{model}/device/console/{3 + number}/tty"), f"a pty for serial port {number}")
    pty = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(pty)
    settings = termios.tcgetattr(pty)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(pty, termios.TCSANOW, settings)
    return pty


class Hvm(harness.Domain):
    """An HVM guest with its device model's domain; `with` ends both. It is started paused and let go once its serial line is read."""

    count = 0
    # The stub domain's kernel and ramdisk: ours, or Linux as the one to compare with.
    config = "hvm"

    def __init__(self, *overrides, disk="", boot=None, disks=None, vif=None, memory=None, config=None, paused=False, keep=True):
        Hvm.count += 1
        self.name = f"hvm-{Hvm.count}"
        self.text = ""
        self.shown = 0
        self.stopped = False
        self.reader = None
        self.pty = None
        self.find_config(config)
        words = [f'name="{self.name}"', *(harness.PRESERVE if keep else ())]
        if disks is None:
            self.disk = boot_disk(self.name, disk)
            disks = [f"format=raw,vdev=hda,access=w,target={self.disk}"]
        words.append("disk=[" + ",".join(f"'{entry}'" for entry in disks) + "]")
        vifs = [vif] if isinstance(vif, str) else vif or []
        words.append("vif=[" + ",".join(f"'{entry}'" for entry in vifs) + "]")
        if boot:
            words.append(f'boot="{boot}"')
        if memory:
            words.append(f"stubdomain_memory={memory}")
        for log in (self.log, f"{harness.LOGS}/guest-{self.name}.log"):
            if os.path.exists(log):
                os.remove(log)
        harness.Guest.latest.append(self)
        harness.Guest.alive.append(self)
        started = time.monotonic()
        code, text = run("xl", "create", "-q", "-p", self.path, *words, *overrides, timeout=CREATE, strict=False)
        self.create_seconds = time.monotonic() - started
        if code != 0:
            raise Failure(f"xl create ended with {code}: {text.strip()}\n---- device model:\n{self.model_log()}")
        self.domid = int(output("xl", "domid", self.name))
        model = store_read(f"/local/domain/{self.domid}/image/device-model-domid")
        check(model, f"{self.name} has no domain for its device model")
        self.model = int(model)
        self.listen()
        if not paused:
            self.unpause()

    def find_config(self, config):
        self.path = host_file(f"{config or self.config}-{version()}.cfg")

    @property
    def log(self):
        """What the device model's domain says."""
        return f"{harness.LOGS}/qemu-dm-{self.name}.log"

    def model_log(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read().replace("\r", "")
        except FileNotFoundError:
            return ""

    def console(self):
        return f"{self.text}\n---- device model of {self.name}:\n{self.model_log()}"

    def listen(self):
        """Reads the first serial port from now on."""
        self.pty = open_port(self.model, 0)
        self.reader = threading.Thread(target=self.read, args=(self.pty,), daemon=True)
        self.reader.start()

    def read(self, pty):
        while not self.stopped:
            if not select.select([pty], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(pty, 4096)
            except OSError:
                return
            if not data:
                return
            self.text += data.decode(errors="replace").replace("\r", "")

    def type(self, text):
        os.write(self.pty, text.encode())

    def adopt(self):
        """Finds the domains of this name again, after they were made anew."""
        self.close()
        self.domid = int(output("xl", "domid", self.name))
        self.model = int(wait_until(lambda: store_read(f"/local/domain/{self.domid}/image/device-model-domid"), "its device model", 60))
        self.listen()

    def close(self):
        """Reads the serial line no more."""
        self.stopped = True
        if self.reader:
            self.reader.join(2)
            self.reader = None
        if self.pty is not None:
            os.close(self.pty)
            self.pty = None
        self.stopped = False

    def unpause(self):
        started = time.monotonic()
        output("xl", "unpause", self.name, timeout=90)
        seconds = time.monotonic() - started
        # libxl says nothing when the device model does not answer it, waits a minute, and leaves the guest paused.
        check(seconds < 30, f"xl unpause took {seconds:.0f} s: the device model did not answer")
        self.unpaused = time.monotonic()

    def expect(self, pattern, timeout=120):
        what = f"the serial line of {self.name} says {pattern!r}"
        try:
            return wait_until(lambda: re.search(pattern, self.text, re.M), what, timeout, 0.05)
        except Failure as failure:
            raise Failure(f"{failure}; it says {self.text[-500:]!r}") from None

    def command(self, letters, answer, timeout=60):
        """Types letters and waits for what they make the guest say, which it has not said before."""
        seen = len(self.text)
        self.type(letters)
        what = f"{self.name} answers {letters!r} with {answer!r}"
        try:
            return wait_until(lambda: re.search(answer, self.text[seen:], re.M), what, timeout, 0.02)
        except Failure as failure:
            raise Failure(f"{failure}; it says {self.text[seen:][-500:]!r}") from None

    @contextlib.contextmanager
    def monitor(self):
        """A connection to QEMU's monitor, on libxl's way, that was greeted: what sends an order and returns its answer. Who goes before the
        greeting was read ends dom0's vchan-socket-proxy."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(15)
            client.connect(f"/run/xen/qmp-libxl-{self.domid}")
            with client.makefile("r") as lines:
                check("QMP" in json.loads(lines.readline()), "the monitor does not greet")

                def order(name):
                    client.sendall(json.dumps({"execute": name}).encode() + b"\r\n")
                    answer = next(line for line in map(json.loads, lines) if "event" not in line)
                    check("return" in answer, f"{name}: {answer}")
                    return answer["return"]
                order.client = client
                yield order

    def state(self):
        """Flags and reason as xl tells them; None where the guest is gone."""
        return harness.domains().get(self.name)

    def ended(self, reason, timeout=30):
        found = wait_until(lambda: (self.state() or (0, "", "gone"))[2], f"{self.name} ends", timeout, 0.2)
        harness.equal(found, reason, f"the end of {self.name} as xl sees it")

    def destroy(self):
        if self in harness.Guest.alive:
            harness.Guest.alive.remove(self)
        self.close()
        for name in (self.name, f"{self.name}-dm"):
            self.end(name)


class Registers:
    """A program in dom0 that looks whether its vector registers stay what they are while guests run."""

    def __init__(self, seconds):
        self.program = subprocess.Popen([host_file("hvm/registers"), str(seconds)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.program.kill()
        said = self.program.communicate()[0]
        check(kind or re.search(r"^registers: \d+ rounds, 0 changed$", said, re.M), f"dom0's registers do not stay: {said!r}")


class Network:
    """A bridge of its own with DHCP and TFTP: what network cards boot from. The script is iPXE's, which the ROMs are. A second one, for
    another card, has another number."""

    ADDRESS = "10.13.0.1"

    def __init__(self, script=None, number=0):
        self.number = number
        self.bridge = f"hvmbr{number}"
        self.net = f"10.{13 + number}.0"
        self.address = f"{self.net}.1"
        self.folder = scratch(f"tftp-{number}")
        os.makedirs(self.folder, exist_ok=True)
        shutil.copy(host_file("hvm/nbp.0"), f"{self.folder}/nbp.0")
        boot = "nbp.0"
        if script:
            boot = "boot.ipxe"
            with open(f"{self.folder}/{boot}", "w") as file:
                file.write(f"#!ipxe\n{script}\n")
        with open(f"{self.folder}/big", "wb") as file:
            file.write(bytes(range(256)) * 256)
        # In dom0 the frames of a guest lack checksums that hardware would have made; the ROM drops what dnsmasq answers likewise.
        output("ip", "link", "add", self.bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0")
        output("ip", "addr", "add", f"{self.address}/24", "dev", self.bridge)
        output("ip", "link", "set", self.bridge, "up")
        run("ethtool", "-K", self.bridge, "tx", "off", strict=False)
        self.log = scratch(f"dnsmasq-{number}.log")
        self.server = subprocess.Popen(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--interface={self.bridge}", "--bind-interfaces", "--port=0",
             "--no-ping", "--user=root", "--pid-file=", f"--log-facility={self.log}", "--log-dhcp", "--dhcp-authoritative",
             "--dhcp-leasefile=/dev/null", f"--dhcp-range={self.net}.100,{self.net}.150,255.255.255.0,1h", f"--dhcp-boot={boot}",
             "--enable-tftp", f"--tftp-root={self.folder}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def vif(self, model="e1000"):
        return f"type=ioemu,model={model},mac=00:16:3e:00:02:{self.number + 1:02x},bridge={self.bridge}"

    def said(self):
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()
        run("ip", "link", "del", self.bridge, strict=False)
        if os.path.exists(self.log):
            os.remove(self.log)


class Running:
    """Notes when device models say that they run: dom0's, which serves the consoles of the stub domain, and the guest's."""

    def __init__(self):
        self.times = {}
        self.watch = subprocess.Popen(["xenstore-watch", "/local/domain"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        threading.Thread(target=self.body, daemon=True).start()

    def body(self):
        for line in self.watch.stdout:
            match = re.match(r"/local/domain/(\d+)/device-model/(\d+)/state$", line.strip())
            if match:
                self.times.setdefault((int(match[1]), int(match[2])), time.monotonic())

    def seconds(self, guest):
        """From the end of libxl's work on the stub domain, about when it lets it run, to the guest's device model."""
        start, end = self.times.get((0, guest.model)), self.times.get((guest.model, guest.domid))
        check(start and end, f"no times of device models {guest.model} and {guest.domid}: {self.times}")
        return end - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watch.terminate()
        self.watch.wait()
