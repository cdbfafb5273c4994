"""What is measured: memory, times, requests per second and CPU time per request."""

import re
import time

from harness import Failure, Guest, check, output
from http_client import SERVER, get, httpd, is_serving, wait_serving
from suite import figure, test

# With the clock of the guest for entry to main; the others with dom0's.
ENTRY = r"entry_to_main_us=(\d+)"


def works(config, mib):
    """Whether an example does its work in such a memory."""
    try:
        guest = Guest(config, f"memory={mib}")
    except Failure:
        return False
    with guest:
        try:
            if config == "hello":
                guest.expect("SUCCESS", 4)
            else:
                wait_serving(guest, timeout=5)
                check(get("/small.txt")[0] == 200, "no answer")
        except Failure:
            return False
        return True


def smallest_memory(config, most):
    """By halving, since a guest takes seconds."""
    check(works(config, most), f"{config} does not work with memory={most}")
    too_small, enough = 1, most
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        if works(config, middle):
            enough = middle
        else:
            too_small = middle
    figure(f"{config}-memory", enough, "MiB")


@test(timeout=90)
def hello_works_in_four_megabytes():
    smallest_memory("hello", 4)


@test(timeout=120)
def the_web_server_works_in_eight_megabytes():
    smallest_memory("httpd", 8)


@test()
def main_is_reached_soon():
    for config in ("hello", "httpd"):
        with Guest(config) as guest:
            micros = int(guest.expect(ENTRY)[1])
        figure(f"{config}-entry-to-main", micros / 1000, "ms")
        check(micros < 100_000, f"{config}: {micros} us from entry to main")


@test(timeout=60)
def the_first_answer_comes_soon_after_unpause():
    times = []
    for _ in range(2):
        with Guest("httpd", paused=True) as guest:
            time.sleep(0.5)
            started = time.monotonic()
            guest.xl("unpause")
            while not is_serving():
                check(time.monotonic() - started < 10, "no answer within 10 s of unpause")
            times.append((time.monotonic() - started) * 1000)
    figure("httpd-first-200", min(times), "ms")


@test(timeout=60)
def requests_per_second_and_their_cost():
    with httpd() as guest:
        output("wrk", "-c16", "-t1", "-d1", f"http://{SERVER}/small.txt")
        text = output("wrk", "-c16", "-t1", "-d5", f"http://{SERVER}/small.txt")
        check("Non-2xx" not in text and "Socket errors" not in text, text)
        figure("httpd-requests", float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), "/s")
        before = int(guest.expect(r"^httpd: cpu_us=(\d+)")[1])
        output("xl", "shutdown", "-w", guest.name)
        match = guest.expect(r"^httpd: requests=(\d+) connections=\d+ cpu_us=(\d+)")
        figure("httpd-cpu-per-request", (int(match[2]) - before) / int(match[1]), "us")
        guest.ended("poweroff")


@test(timeout=60)
def large_files_are_fast():
    with httpd() as guest:
        text = output("wrk", "-c4", "-t1", "-d4", f"http://{SERVER}/{large_file()}")
        check("Non-2xx" not in text, text)
        rate = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", text)
        scale = {"": 1e-6, "K": 1.024e-3, "M": 1.048576, "G": 1073.7}[rate[2]]
        figure("httpd-throughput", float(rate[1]) * scale, "MB/s")
        guest.never_said()


def large_file():
    from http_client import site_files
    return max(site_files().items(), key=lambda item: len(item[1]))[0].lstrip("/")
