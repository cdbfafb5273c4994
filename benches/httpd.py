"""Measures a web server guest of ours beside Linux with nginx, in turns: only one of the two exists at a time. Runs in dom0.

Usage: httpd.py ROUNDS SECONDS [GUEST...]
For each round and guest it prints lines `sample GUEST NAME VALUE UNIT`; what is not as it should be is
`test NAME ... FAILED: REASON`.
"""

import os
import subprocess
import sys
import time

from measure import Xen, failed, first_answer, sample, wrk, xl

SITE = "/host/site"
PEER_CONFIG = """
name = "peer"
type = "pv"
kernel = "/boot/vmlinux"
ramdisk = "/host/peer/initramfs"
cmdline = "console=hvc0 quiet"
memory = 256
vcpus = 1
vif = [ "mac=00:16:3e:00:00:51,bridge=xenbr0" ]
disk = [ "format=raw,vdev=xvda,access=ro,target=/host/peer/root.img", "format=raw,vdev=xvdb,access=ro,target=/host/site.img" ]
"""
GUESTS = {
    "httpd": ("/host/httpd.cfg", "10.0.0.2", "00:16:3e:00:00:50"),
    "peer": ("/tmp/peer.cfg", "10.0.0.3", "00:16:3e:00:00:51"),
}


def intact(address, path):
    """Whether the guest's answer is the file."""
    body = subprocess.run(["curl", "-s", "-m", "20", f"http://{address}/{path}"], stdout=subprocess.PIPE, check=False).stdout
    with open(f"{SITE}/{path}", "rb") as file:
        return body == file.read()


def turn(xen, guest, duration):
    config, address, mac = GUESTS[guest]
    # dom0 would ask for the address once a second only, and that would be measured.
    subprocess.run(["ip", "neigh", "replace", address, "lladdr", mac, "dev", "xenbr0", "nud", "permanent"], check=True)
    start = time.monotonic()
    xl("create", "-p", config)
    try:
        created = time.monotonic()
        # In the background: the guest runs before `xl unpause` has cleaned up behind itself.
        unpause = subprocess.Popen(["xl", "unpause", guest])
        answered = first_answer(address)
        unpause.wait()
        domid = int(xl("domid", guest))
        sample(guest, "xl-create", (created - start) * 1000, "ms")
        sample(guest, "unpause-to-200", (answered - created) * 1000, "ms")
        sample(guest, "create-to-200", (answered - start) * 1000, "ms")
        for path in ("small.txt", "1M.bin"):
            if not intact(address, path):
                failed(f"{guest} serves {path} intact", "the answer is not the file")
        before = time.monotonic(), xen.cpu_ns(domid)
        time.sleep(2)
        sample(guest, "idle-share", (xen.cpu_ns(domid) - before[1]) / (time.monotonic() - before[0]) / 1e9 * 100, "%")
        url = f"http://{address}"
        wrk(xen, guest, domid, "c16", 16, duration, f"{url}/small.txt")
        wrk(xen, guest, domid, "c200", 200, duration, f"{url}/small.txt")
        wrk(xen, guest, domid, "1M", 4, duration, f"{url}/1M.bin", os.path.getsize(f"{SITE}/1M.bin"))
        memory = next(line.split()[-4] for line in xl("list").splitlines() if line.split()[0] == guest)
        sample(guest, "memory", float(memory), "MiB")
    finally:
        xl("destroy", guest, check=False)


def main():
    rounds, duration = int(sys.argv[1]), int(sys.argv[2])
    guests = sys.argv[3:] or list(GUESTS)
    with open("/tmp/peer.cfg", "w") as file:
        file.write(PEER_CONFIG)
    xen, errors = Xen(), 0
    for number in range(rounds):
        for guest in guests:
            print(f"round {number + 1} of {rounds}: {guest}", flush=True)
            try:
                turn(xen, guest, duration)
            except (OSError, subprocess.SubprocessError) as error:
                errors += 1
                failed(f"{guest} takes its turn", " ".join(str(error).split()))
                log = f"/var/log/xen/guest-{guest}.log"
                if os.path.exists(log):
                    with open(log, errors="replace") as file:
                        print(file.read()[-2000:], flush=True)
    return 1 if errors else 0


sys.exit(main())
