"""The web server under load and under clients that misbehave. Most tests share one server, in its 8 MiB."""

import hashlib
import http.client
import random
import resource
import socket
import struct
import tarfile
import threading
import time

from harness import Failure, check, disks, equal, host_file, scratch, shared
from http_client import SERVER, get, httpd, image_files, is_serving, raw, site_files, status_of
from suite import test


def server():
    return shared("httpd", httpd)


def still_serves(guest):
    equal(get("/index.html")[2], site_files()["/index.html"], "index.html afterwards")
    guest.never_said("PANIC", "CRASH")


def in_threads(count, work, timeout=120):
    """Runs `work(number)` in threads; the first error is the test's."""
    errors = []

    def body(number):
        try:
            work(number)
        except Exception as error:  # It is raised again below.
            errors.append(error)
    threads = [threading.Thread(target=body, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    alive = sum(thread.is_alive() for thread in threads)
    if errors:
        raise Failure(f"{len(errors)} of {count} threads failed, the first with {errors[0]!r}")
    check(not alive, f"{alive} of {count} threads do not end within {timeout} s")


@test()
def every_file_of_the_site_arrives_byte_for_byte():
    guest = server()
    for path, content in site_files().items():
        status, headers, body = get(path)
        equal(status, 200, path)
        equal(headers["Content-Length"], str(len(content)), f"Content-Length of {path}")
        check(body == content, f"{path} arrives with other bytes: {len(body)} of {len(content)}")
    guest.never_said("PANIC", "CRASH", "ERROR", "WARN")


@test(timeout=120)
def a_thousand_requests_have_the_right_checksums():
    guest = server()
    files = {path: hashlib.md5(content).digest() for path, content in site_files().items() if len(content) < 200_000}
    paths = sorted(files)
    done = []

    def work(number):
        chance = random.Random(number)
        keep_alive = number % 2 == 0
        connection = http.client.HTTPConnection(SERVER, timeout=30)
        for _ in range(125):
            path = chance.choice(paths)
            body = get(path, connection=connection if keep_alive else None)[2]
            check(hashlib.md5(body).digest() == files[path], f"{path} has other bytes")
            done.append(path)
        connection.close()
    in_threads(8, work)
    equal(len(done), 1000, "requests")
    still_serves(guest)


@test(timeout=90)
def two_hundred_connections_open_at_once_are_all_answered():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    server().destroy()
    with httpd("memory=24") as guest:
        content = site_files()["/index.html"]
        streams = []
        try:
            for number in range(200):
                streams.append(socket.create_connection((SERVER, 80), timeout=20))
            for turn in range(2):
                for number, stream in enumerate(streams):
                    stream.sendall(b"GET /index.html HTTP/1.1\r\nHost: a\r\n\r\n")
                for number, stream in enumerate(streams):
                    answer = b""
                    while not answer.endswith(content) and (part := stream.recv(65536)):
                        answer += part
                    equal(status_of(answer), 200, f"connection {number} in turn {turn}")
                    check(answer.endswith(b"\r\n\r\n" + content), f"connection {number} got {answer[-80:]!r}")
        finally:
            for stream in streams:
                stream.close()
        still_serves(guest)


@test(timeout=60)
def more_connections_than_memory_holds_wait_or_are_refused_and_harm_nothing():
    guest = server()
    streams = []
    try:
        for _ in range(150):
            stream = socket.socket()
            stream.settimeout(1)
            try:
                stream.connect((SERVER, 80))
                streams.append(stream)
            except OSError:
                stream.close()
                break
    finally:
        for stream in streams:
            stream.close()
    check(len(streams) >= 16, f"only {len(streams)} connections were taken")
    for _ in range(50):
        if is_serving():
            break
        time.sleep(0.1)
    still_serves(guest)


@test(timeout=120)
def a_hundred_megabytes_arrive_intact():
    server().destroy()
    image = host_file("bigsite.img")
    path, (digest, size) = max(image_files(image).items(), key=lambda item: item[1][1])
    check(size >= 100_000_000, f"the largest file of bigsite.img, {path}, has only {size} bytes")
    with httpd(disks((image, "xvda", "ro"))) as guest:
        connection = http.client.HTTPConnection(SERVER, timeout=30)
        connection.request("GET", path)
        response = connection.getresponse()
        hasher, count = hashlib.md5(), 0
        while part := response.read(1 << 20):
            hasher.update(part)
            count += len(part)
        equal((count, hasher.hexdigest()), (size, digest), f"length and MD5 of {path}")
        _, _, body = get(path, Range=f"bytes={size - 70_000}-{size - 60_001}")
        equal(len(body), 10_000, "bytes of a range near the end")
        guest.never_said("PANIC", "CRASH", "ERROR", "WARN")


@test()
def head_has_the_headers_and_no_body():
    guest = server()
    with_body = get("/small.txt")
    status, headers, body = get("/small.txt", method="HEAD")
    equal((status, body), (200, b""), "HEAD")
    for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified"):
        equal(headers[name], with_body[1][name], name)
    check(headers["Content-Type"].startswith("text/plain"), headers["Content-Type"])
    still_serves(guest)


@test()
def ranges_are_cut_as_asked():
    path, content = max(site_files().items(), key=lambda item: len(item[1]))
    size = len(content)
    server()
    for wanted, start, end in (
        ("0-0", 0, 1), ("10-99", 10, 100), ("100-", 100, size), ("-7", size - 7, size),
        (f"{size - 1}-", size - 1, size), (f"5-{size + 1000}", 5, size), (f"-{size + 5}", 0, size),
    ):
        status, headers, body = get(path, Range=f"bytes={wanted}")
        equal(status, 206, f"status of {wanted}")
        equal(headers["Content-Range"], f"bytes {start}-{end - 1}/{size}", wanted)
        check(body == content[start:end], f"the bytes of {wanted}")
    status, headers, _ = get(path, Range=f"bytes={size}-")
    equal((status, headers["Content-Range"]), (416, f"bytes */{size}"), "a range behind the end")
    for nonsense in ("bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=", "bytes=1-2-3"):
        status, _, body = get(path, Range=nonsense)
        check(status in (200, 416) and (status == 416 or body == content), f"{nonsense}: {status}")


@test()
def a_file_unchanged_is_not_sent_again():
    server()
    _, headers, _ = get("/small.txt")
    equal(get("/small.txt", If_None_Match=headers["ETag"])[0], 304, "If-None-Match")
    equal(get("/small.txt", If_Modified_Since=headers["Last-Modified"])[0], 304, "If-Modified-Since")
    equal(get("/small.txt", If_None_Match='"other"')[0], 200, "another ETag")


@test()
def what_is_wrong_is_answered_with_its_status():
    guest = server()
    long = b"x" * 6000
    for request, status in (
        (b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", 405),
        (b"DELETE /index.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405),
        (b"BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 501),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost a\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"GET /" + long + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + long + b"\r\n\r\n", 431),
        (b"GET / HTTP/9.1\r\nHost: a\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ):
        equal(status_of(raw(request)), status, f"{request[:50]!r}")
    still_serves(guest)


@test()
def directories_have_an_index_or_redirect_or_are_forbidden():
    server()
    files = site_files()
    equal(get("/")[2], files["/index.html"], "the index of the root")
    folder = next((path[:-len("/index.html")] for path in sorted(files) if path.count("/") > 1 and path.endswith("/index.html")), None)
    check(folder, "site/ has no directory with an index.html to test with")
    equal(get(f"{folder}/")[2], files[f"{folder}/index.html"], "the index of a directory")
    status, headers, _ = get(folder)
    equal(status, 301, "a directory without its slash")
    check(headers["Location"].endswith(f"{folder}/"), headers["Location"])
    bare = next((path.rpartition("/")[0] for path in sorted(files) if path.count("/") > 1
                 and path.rpartition("/")[0] + "/index.html" not in files), None)
    if bare:
        equal(get(f"{bare}/")[0], 403, "a directory without an index")


@test()
def no_path_leads_out_of_the_site():
    server()
    for path in ("/../etc/passwd", "/..", "/%2e%2e/x", "/..%2fx", "/sub/../../x", "/.%2e/", "//../x", "/..\\x", "/%2e%2e%5cx", "../x", "x"):
        status = status_of(raw(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()))
        check(status in (400, 404), f"{path}: {status}")


@test()
def pipelined_requests_are_answered_in_order():
    guest = server()
    files = site_files()
    paths = sorted(path for path, content in files.items() if len(content) < 50_000)[:30] * 2
    requests = b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths)
    answer = raw(requests + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for path in paths + ["/index.html"]:
        head, _, rest = answer.partition(b"\r\n\r\n")
        equal(status_of(head), 200, path)
        check(rest.startswith(files[path]), f"{path} is not answered in its turn")
        answer = rest[len(files[path]):]
    equal(answer, b"", "what follows the last answer")
    still_serves(guest)


@test()
def requests_in_single_bytes_and_with_half_closed_connections_are_answered():
    guest = server()
    content = site_files()["/small.txt"]
    one = raw(b"GET /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", pieces=1)
    check(one.endswith(content), f"in single bytes: {one[:80]!r}")
    half = raw(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n", half_close=True)
    check(half.endswith(content), f"half-closed: {half[:80]!r}")
    old = raw(b"GET /small.txt HTTP/1.0\r\n\r\n")
    check(old.endswith(content), f"HTTP/1.0: {old[:80]!r}")
    still_serves(guest)


@test(timeout=90)
def a_slow_reader_gets_it_all_while_others_are_served():
    guest = server()
    path, content = max(site_files().items(), key=lambda item: len(item[1]))
    with socket.socket() as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(15)
        stream.connect((SERVER, 80))
        stream.sendall(f"GET {path} HTTP/1.0\r\nRange: bytes=0-299999\r\n\r\n".encode())
        time.sleep(2)
        started = time.monotonic()
        equal(get("/small.txt")[0], 200, "another client")
        check(time.monotonic() - started < 2, "another client waits for the slow one")
        answer = b""
        while part := stream.recv(16384):
            answer += part
            if len(answer) < 100_000:
                time.sleep(0.02)
    check(answer.endswith(content[:300_000]), f"{len(answer)} bytes came")
    still_serves(guest)


@test(timeout=60)
def silent_connections_are_closed_and_begun_requests_time_out():
    guest = server()
    with socket.create_connection((SERVER, 80), timeout=25) as silent, \
            socket.create_connection((SERVER, 80), timeout=25) as begun:
        begun.sendall(b"GET / HT")
        equal(silent.recv(100), b"", "a silent connection gets nothing")
        equal(status_of(begun.recv(4096)), 408, "a begun request")
    still_serves(guest)


@test(timeout=60)
def two_hundred_resets_and_garbage_do_no_harm():
    guest = server()
    chance = random.Random(7)
    path = max(site_files().items(), key=lambda item: len(item[1]))[0]
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    for number in range(200):
        with socket.create_connection((SERVER, 80), timeout=10) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                stream.sendall(request if number % 2 else request[:number % len(request)])
                if number % 4 == 3:
                    stream.recv(1000)
            except ConnectionError:
                pass
    for size in (1, 100, 1460, 5000, 100_000):
        answer = raw(chance.randbytes(size) + b"\r\n\r\n")
        check(not answer or status_of(answer) >= 400, f"{size} bytes of garbage: {answer[:60]!r}")
    still_serves(guest)


@test()
def a_site_is_served_out_of_a_ramdisk():
    server().destroy()
    archive = scratch("site.tar")
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("index.html", "small.txt"):
            tar.add(host_file(f"site/{name}"), name)
    with httpd(f'ramdisk="{archive}"', "disk=[]", cmdline="ip=10.0.0.2/24 mount=initrd:/") as guest:
        files = site_files()
        for path in ("/index.html", "/small.txt"):
            equal(get(path)[2], files[path], path)
        equal(get("/nothing")[0], 404, "a file that is not in it")
        guest.never_said()
