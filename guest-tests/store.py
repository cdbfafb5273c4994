"""XenStore without a process for each question: the protocol of xenstored's socket, and devices made and removed by hand.

What xl does for a device takes a second here, most of it for starting programs; a test that attaches a hundred cannot wait for that.
The nodes are those that libxl writes, and what a hotplug script would say is said beforehand.
"""

import os
import socket
import struct

from harness import Failure, check, wait_until

READ, GET_PERMS, START, END, WRITE, MKDIR, RM, SET_PERMS, ERROR = 2, 3, 6, 7, 11, 12, 13, 14, 16
INITIALISING, INIT_WAIT, INITIALISED, CONNECTED, CLOSING, CLOSED = "1", "2", "3", "4", "5", "6"


class Store:
    """A connection."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect("/run/xenstored/socket")
        self.transaction = 0

    def close(self):
        self.socket.close()

    def together(self, act):
        """Does all that `act` does in one transaction, again when somebody was faster."""
        while True:
            self.transaction = int(self.call(START, b"\0").rstrip(b"\0"))
            try:
                act()
                self.call(END, b"T\0")
                return
            except Failure as failure:
                if "EAGAIN" not in str(failure):
                    raise
            finally:
                self.transaction = 0

    def call(self, kind, payload):
        self.socket.sendall(struct.pack("<4I", kind, 0, self.transaction, len(payload)) + payload)
        answered, _, _, length = struct.unpack("<4I", self.take(16))
        answer = self.take(length)
        if answered == ERROR:
            raise Failure(f"XenStore: {answer.rstrip(bytes(1)).decode()} for {payload!r}")
        return answer

    def take(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            check(more, "xenstored has closed the connection")
            data += more
        return data

    def read(self, path):
        """A value, or None."""
        try:
            return self.call(READ, path.encode() + b"\0").decode()
        except Failure as failure:
            if "ENOENT" in str(failure):
                return None
            raise

    def write(self, path, value):
        self.call(WRITE, path.encode() + b"\0" + value.encode())

    def remove(self, path):
        """Removes a node and all below, if it is there."""
        try:
            self.call(RM, path.encode() + b"\0")
        except Failure as failure:
            if "ENOENT" not in str(failure):
                raise

    def make(self, path, owner, reader, values):
        """A directory whose nodes are one domain's and another's to read."""
        self.call(MKDIR, path.encode() + b"\0")
        self.call(SET_PERMS, b"\0".join([path.encode(), f"n{owner}".encode(), f"r{reader}".encode(), b""]))
        for name, value in values.items():
            if value is not None:
                self.write(f"{path}/{name}", value)


class Device:
    """A device of a guest, made by hand; a value of None leaves the node out."""

    def __init__(self, store, guest, kind, number, front, back, backend=None):
        self.store, self.kind, self.number = store, kind, number
        self.front = guest.path(f"device/{kind}/{number}")
        self.back = f"/local/domain/0/backend/{backend or kind}/{guest.domid}/{number}"
        own = {"backend": self.back, "backend-id": "0", "state": INITIALISING}
        theirs = {"frontend": self.front, "frontend-id": str(guest.domid), "online": "1", "state": INITIALISING}

        def make():
            store.make(self.back, 0, guest.domid, {**theirs, **back})
            store.make(self.front, guest.domid, 0, {**own, **front})
        store.together(make)

    def states(self):
        return self.store.read(f"{self.front}/state"), self.store.read(f"{self.back}/state")

    def wait(self, front, back=None, timeout=20):
        def reached():
            states = self.states()
            return states[0] == front and back in (None, states[1])
        try:
            wait_until(reached, f"{self.kind}/{self.number} is in states {front} and {back}", timeout, 0.02)
        except Failure as failure:
            raise Failure(f"{failure}, but in {self.states()}") from None

    def begin_to_detach(self):
        self.store.together(lambda: (self.store.write(f"{self.back}/online", "0"), self.store.write(f"{self.back}/state", CLOSING)))

    def remove(self):
        self.store.together(lambda: (self.store.remove(self.front), self.store.remove(self.back)))

    def detach(self, timeout=9):
        """As xl does it, but without force: the front end has to let go."""
        if self.states()[1] not in (CLOSING, CLOSED, None):
            self.begin_to_detach()
        wait_until(lambda: self.states()[1] in (CLOSED, None), f"{self.kind}/{self.number} lets go", timeout, 0.01)
        self.remove()


def new_vif(store, guest, number, front=None, back=None, **more):
    mac = f"00:16:3e:00:02:{number:02x}"
    own = {"handle": str(number), "mac": mac, "mtu": "1500", "trusted": "1", **(front or {})}
    theirs = {"handle": str(number), "mac": mac, "script": "/bin/true", "hotplug-status": "connected", **(back or {})}
    return Device(store, guest, "vif", number, own, theirs, **more)


def new_disk(store, guest, letter, loop, front=None, back=None, **more):
    """A disk on a loop device."""
    number = 51712 + (ord(letter) - ord("a")) * 16
    device = os.stat(loop).st_rdev
    own = {"virtual-device": str(number), "device-type": "disk", "trusted": "1", **(front or {})}
    theirs = {"physical-device": f"{os.major(device):x}:{os.minor(device):x}", "params": loop, "mode": "w", "dev": f"xvd{letter}", "type": "phy",
              "removable": "0", "hotplug-status": "connected", **(back or {})}
    return Device(store, guest, "vbd", number, own, theirs, **more)
