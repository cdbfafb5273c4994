"""Channels between domains: examples/echo at one end, `vchan-socket-proxy` of Xen's tools at the other."""

import glob
import os
import socket
import subprocess
import threading

from harness import Guest, check, equal, run, wait_until
from suite import test

SOCKET = "/run/guest-tests-vchan"
OWN = "/local/domain/0/guest-tests-vchan"
SIZES = (1, 4000, 100_000)


class Proxy:
    """The tool, between a channel and the socket."""

    def __init__(self, mode, domid, path):
        # The wrapper in /usr/bin looks for the version of Xen in /sys; here there is only one.
        tool = sorted(glob.glob("/usr/lib/xen-*/bin/vchan-socket-proxy"))[-1]
        self.process = subprocess.Popen([tool, f"--mode={mode}", str(domid), path, SOCKET], stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def without_socket():
    if os.path.exists(SOCKET):
        os.remove(SOCKET)


def connect():
    def attempt():
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        try:
            client.connect(SOCKET)
        except OSError:
            return None
        return client
    return wait_until(attempt, "the proxy listens", step=0.02)


def echo(stream, size):
    """So many bytes, every value among them, come back as they were."""
    data = os.urandom(size)
    sender = threading.Thread(target=stream.sendall, args=(data,))
    sender.start()
    back = b""
    while len(back) < size:
        part = stream.recv(65536)
        check(part, f"the channel ended after {len(back)} of {size} bytes")
        back += part
    sender.join()
    check(back == data, f"{size} bytes came back changed")


@test(timeout=90)
def a_guest_serves_a_channel_to_one_client_after_the_other():
    without_socket()
    with Guest("echo", "vif=[]", cmdline="vchan=data/vchan") as guest:
        guest.expect("^echo: vchan data/vchan")
        with Proxy("client", guest.domid, guest.path("data/vchan")):
            sizes = (1, 5, 3000, 200_000, 8192, 1, 1)
            for number, size in enumerate(sizes, 1):
                with connect() as stream:
                    echo(stream, size)
                guest.expect(f"^echo: vchan client {number}: {size} bytes, then it went")
            # One that leaves answers behind does not disturb the next.
            with connect() as stream:
                stream.sendall(bytes(700))
                guest.expect("^echo: vchan client")
            for _ in range(3):
                with connect() as stream:
                    echo(stream, 100)
        # Another one comes, and is killed in the midst.
        with Proxy("client", guest.domid, guest.path("data/vchan")):
            pass
        without_socket()
        with Proxy("client", guest.domid, guest.path("data/vchan")), connect() as stream:
            echo(stream, 1 << 20)
        guest.never_said("PANIC", "CRASH", "ERROR")
        guest.xl("shutdown")
        guest.ended("poweroff")
        check("mapped" not in guest.console(), "it ended with pages that are still mapped")


@test(timeout=90)
def a_guest_is_the_client_of_a_channel_that_dom0_serves():
    run("xenstore-rm", OWN, strict=False)
    with Guest("echo", "vif=[]", cmdline=f"vchan-client={OWN}", paused=True) as guest:
        guest.xl("unpause")
        # The second one takes over the nodes that the first could not remove.
        for number in (1, 2):
            without_socket()
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(SOCKET)
                listener.listen()
                listener.settimeout(20)
                with Proxy("server", guest.domid, OWN):
                    # When a connection ends, the tool makes another for the same channel.
                    connections = []
                    for size in SIZES:
                        stream, _ = listener.accept()
                        stream.settimeout(20)
                        with stream:
                            echo(stream, size)
                        connections.append(guest.console().count(f"connected to {OWN}"))
                    equal(connections, connections[:1] * len(SIZES), "connections of the guest")
            # Until the next server comes it may try the nodes of the last one again, and find nobody.
            end = f"echo: vchan server: {sum(SIZES)} bytes, then it went"
            wait_until(lambda: guest.console().count(end) == number, "the guest sees the end")
        guest.never_said("PANIC", "CRASH", "ERROR")
    without_socket()
