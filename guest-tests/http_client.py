"""HTTP as tests speak it: whole requests by http.client, and raw bytes where the bytes matter."""

import functools
import http.client
import os
import socket
import urllib.parse

from harness import Failure, Guest, check, host_file, output, wait_until

SERVER = "10.0.0.2"


def httpd(*overrides, address=SERVER, **options):
    """The web server, answering."""
    guest = Guest("httpd", *overrides, **options)
    wait_serving(guest, address)
    return guest


def wait_serving(guest, address=SERVER, timeout=15):
    wait_until(lambda: is_serving(address), f"{guest.name} serves at {address}", timeout, 0.02)


def is_serving(address=SERVER):
    try:
        with socket.create_connection((address, 80), timeout=0.3) as stream:
            stream.settimeout(2)
            stream.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return stream.recv(12).startswith(b"HTTP/1.")
    except OSError:
        return False


@functools.cache
def site_files():
    """The files of the site with their bytes, by path."""
    root = host_file("site")
    files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files["/" + urllib.parse.quote(os.path.relpath(path, root))] = file.read()
    check(files, f"{root} has no files")
    return files


def image_files(image):
    """Paths and MD5 sums of the files in an ext4 image, as dom0's own kernel reads them."""
    folder = "/run/guest-tests-mount"
    os.makedirs(folder, exist_ok=True)
    output("mount", "-o", "ro,loop", image, folder)
    try:
        sums = output("sh", "-c", f"cd {folder} && find . -type f -exec md5sum {{}} +", timeout=120)
        sizes = {}
        for line in sums.splitlines():
            digest, path = line.split(None, 1)
            sizes[path[1:]] = (digest, os.path.getsize(os.path.join(folder, path)))
        return sizes
    finally:
        output("umount", folder)


def get(path, address=SERVER, method="GET", connection=None, **headers):
    """Status, headers and body."""
    own = connection is None
    connection = connection or http.client.HTTPConnection(address, timeout=15)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"{method} {path} of {address}: {error!r}") from None
    finally:
        if own:
            connection.close()


def raw(data, address=SERVER, pieces=None, half_close=False, timeout=20):
    """Sends bytes, in pieces of a size if given, and returns what comes until the server closes."""
    with socket.create_connection((address, 80), timeout=timeout) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for start in range(0, len(data), pieces or len(data)):
                stream.sendall(data[start:start + (pieces or len(data))])
            if half_close:
                stream.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It may answer and close before it has all.
        answer = b""
        try:
            while part := stream.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise Failure(f"no end of the answer to {data[:60]!r} within {timeout} s; so far {answer[:200]!r}") from None
        return answer


def status_of(answer):
    line = answer.split(b"\r\n", 1)[0].split(b" ")
    check(len(line) >= 2 and line[0] == b"HTTP/1.1" and line[1].isdigit(), f"no status line in {answer[:100]!r}")
    return int(line[1])
