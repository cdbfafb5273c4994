"""Checks and measures the web server from dom0; tells the host when it may look too.

Prints the lines that report.rs reads, and `host-turn ADDRESS` when the host is to check; a line on standard input ends that.
"""

import http.client
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from urllib.parse import quote

from guest import Failed, Guest, figure, test, xl

ADDRESS, PORT = "10.0.0.2", 80
SITE = "/host/site"
ROUNDS = 3


def pages():
    """URL path and file of everything on the site."""
    for directory, _, names in os.walk(SITE):
        for name in sorted(names):
            path = os.path.join(directory, name)
            url = "/" + quote(os.path.relpath(path, SITE))
            yield url, path
            if name == "index.html":
                yield url[: -len("index.html")], path


def get(connection, path, method="GET", **headers):
    connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    answer = connection.getresponse()
    return answer, answer.read()


def connect():
    return http.client.HTTPConnection(ADDRESS, PORT, timeout=20)


def expect(what, seen, expected):
    if seen != expected:
        raise Failed(f"{what} is {seen!r:.100} and not {expected!r:.100}")


def all_pages():
    connection = connect()
    for url, path in pages():
        answer, body = get(connection, url)
        expect(f"status of {url}", answer.status, 200)
        with open(path, "rb") as file:
            expected = file.read()
        if body != expected:
            raise Failed(f"{url}: {len(body)} bytes are not the file's {len(expected)}")


def head():
    answer, body = get(connect(), "/1M.bin", "HEAD")
    expect("status", answer.status, 200)
    expect("body", body, b"")
    expect("Content-Length", answer.getheader("Content-Length"), str(1 << 20))


def ranges():
    with open(f"{SITE}/1M.bin", "rb") as file:
        content = file.read()
    connection = connect()
    for asked, part in [("0-0", content[:1]), ("1000-70000", content[1000:70001]), ("-5", content[-5:])]:
        answer, body = get(connection, "/1M.bin", Range=f"bytes={asked}")
        expect(f"status of range {asked}", answer.status, 206)
        expect(f"length of range {asked}", len(body), len(part))
        expect(f"range {asked}", body, part)
    expect("status of a range beyond the end", get(connection, "/1M.bin", Range="bytes=9999999-")[0].status, 416)


def errors():
    connection = connect()
    expect("status of a missing page", get(connection, "/missing")[0].status, 404)
    expect("status of a POST", get(connect(), "/", "POST")[0].status, 405)
    answer, _ = get(connect(), "/docs")
    expect("status of a directory without its slash", answer.status, 301)
    outside = get(connect(), "/../../etc/passwd")[0].status
    if outside not in (400, 403, 404):
        raise Failed(f"a path that leaves the site is answered with {outside}")


def first_answer(since, limit=15):
    """Milliseconds from `since` to the first 200."""
    request = b"GET /small.txt HTTP/1.0\r\nHost: x\r\n\r\n"
    while time.monotonic() < since + limit:
        try:
            with socket.create_connection((ADDRESS, PORT), timeout=0.02) as stream:
                stream.settimeout(2)
                stream.sendall(request)
                if b" 200 " in stream.recv(4096):
                    return (time.monotonic() - since) * 1000
        except OSError:
            time.sleep(0.002)
    raise Failed(f"no answer within {limit} s")


def measure_start():
    # dom0 would repeat its ARP request after a second only.
    with open("/proc/sys/net/ipv4/neigh/xenbr0/retrans_time_ms", "w") as file:
        file.write("10")
    times, entries = [], []
    for _ in range(ROUNDS):
        subprocess.run(["ip", "neigh", "flush", "dev", "xenbr0"], check=False)
        guest = Guest("httpd", paused=True)
        try:
            start = time.monotonic()
            xl("unpause", "httpd")
            times.append(first_answer(start))
            entries.append(int(guest.wait_console(r"^httpd: .*entry_to_main_us=(\d+)").group(1)))
            guest.shutdown()
        finally:
            guest.show()
            guest.destroy()
    figure("httpd-entry-to-main", statistics.median(entries) / 1000, "ms")
    figure("httpd-first-200", round(statistics.median(times), 1), "ms")


def measure_load():
    guest = Guest("httpd")
    try:
        before = int(guest.wait_console(r"^httpd: .*cpu_us=(\d+)").group(1))
        first_answer(time.monotonic())
        wrk = subprocess.run(
            ["wrk", "-c16", "-t1", "-d10", f"http://{ADDRESS}/small.txt"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
        ).stdout
        rate = re.search(r"Requests/sec:\s*([\d.]+)", wrk)
        if not rate:
            raise Failed(f"wrk says: {wrk.strip()[-300:]}")
        guest.shutdown()
        after = guest.wait_console(r"^httpd: requests=(\d+) .*cpu_us=(\d+)")
        figure("httpd-requests", float(rate.group(1)), "/s")
        figure("httpd-cpu-per-request", (int(after.group(2)) - before) / max(1, int(after.group(1))), "us")
        if "Non-2xx" in wrk or re.search(r"Socket errors:", wrk):
            raise Failed(" ".join(line.strip() for line in wrk.splitlines() if "Non-2xx" in line or "errors" in line))
    finally:
        guest.show()
        guest.destroy()


def works(name, mib):
    """Whether the guest does its work in so much memory."""
    guest = None
    try:
        guest = Guest(name, f"memory={mib}")
        if name == "hello":
            guest.wait_gone(limit=20)
            return guest.console().rstrip().endswith("SUCCESS") and guest.reason() == 0
        first_answer(time.monotonic(), limit=8)
        _, body = get(connect(), "/1M.bin")
        guest.shutdown()
        with open(f"{SITE}/1M.bin", "rb") as file:
            return body == file.read()
    except (Failed, OSError, http.client.HTTPException):
        return False
    finally:
        if guest:
            guest.destroy()


def smallest_memory(name, target):
    """From the target downwards while it works, or upwards until it does."""
    mib = target
    if works(name, mib):
        while mib > 1 and works(name, mib - 1):
            mib -= 1
    else:
        mib += 1
        while not works(name, mib):
            mib += 1
            if mib > 2 * target:
                raise Failed(f"does not work in {2 * target} MiB")
    figure(f"{name}-memory", mib, "MiB")


def content():
    guest = Guest("httpd")
    try:
        first_answer(time.monotonic())
        passed = [
            test("every page is intact, from dom0", all_pages),
            test("HEAD has a length and no body, from dom0", head),
            test("ranges are the parts asked for, from dom0", ranges),
            test("errors are answered as such, from dom0", errors),
        ]
        guest.show()
        print(f"host-turn {ADDRESS}", flush=True)
        sys.stdin.readline()
        passed.append(test("xl shutdown ends the server, which powers off", guest.shutdown))
        return all(passed)
    finally:
        guest.show()
        guest.destroy()


def main():
    results = [
        content(),
        test("the server starts, answers and stops", measure_start),
        test("wrk gets nothing but answers", measure_load),
        test("hello works in little memory", lambda: smallest_memory("hello", 4)),
        test("httpd works in little memory", lambda: smallest_memory("httpd", 8)),
    ]
    return 0 if all(results) else 1


try:
    sys.exit(main())
except Failed as error:
    print(f"test the server starts ... FAILED: {error}", flush=True)
    sys.exit(1)
