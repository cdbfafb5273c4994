"""What is wrong outside of the guest gets a clear line on its console, and costs no more than it has to."""

import os
import re
import signal
import time

from harness import Failure, Guest, check, equal, output, run, store_write, vif, vifs, wait_until
from example_tests import echo_both
from http_client import get, httpd, is_serving, wait_serving
from suite import test


def too_small(config, mib):
    """Such a memory ends in an error of xl or of the guest that says so, within seconds."""
    try:
        guest = Guest(config, f"memory={mib}")
    except Failure as failure:
        check("domain creation failed" in str(failure) or "memory" in str(failure), f"xl says only {failure}")
        return
    with guest:
        try:
            guest.ended("crash")
        except Failure:
            check(is_serving(), f"memory={mib}: neither end nor service")
            return
        console = guest.console()
        check(re.search("memory|out of|MiB", console), f"memory={mib}: no word of memory on the console")


@test(timeout=90)
def too_little_memory_is_said_clearly():
    for mib in (1, 2, 3, 4):
        too_small("httpd", mib)


@test()
def unknown_options_are_named_and_the_rest_counts():
    with Guest("hello", cmdline="colour=red quiet hostname=named ip=dhcp ip7=dhcp -- x") as guest:
        console = guest.ended("poweroff")
        for option in ("colour", "quiet"):
            check(f"unknown option `{option}`" in console, f"no warning about `{option}`")
        check("unknown option `hostname`" not in console and "option `ip" not in console, "a known option is called unknown")
        check("Hello from named!" in console, "the known option does not count")


@test()
def a_log_level_that_does_not_exist_is_named():
    with Guest("hello", cmdline="loglevel=loud") as guest:
        check("loglevel=loud" in guest.ended("poweroff"), "no warning")


@test()
def malformed_network_options_are_named_and_the_others_count():
    wrong = {"ip": ["10.0.0.999/24", "10.0.0.3", "10.0.0.4/33", "fish"], "gateway": ["10.0.0"], "dns": ["1.2.3.4.5", "name"]}
    words = (f"{key}={','.join(values)}" for key, values in wrong.items())
    with Guest("echo", vifs(vif(9)), cmdline=" ".join(words).replace("fish", "fish,10.0.0.9/24")) as guest:
        guest.expect("port 7")
        for key, values in wrong.items():
            for value in values:
                guest.expect(rf"WARN.*\b{key}={re.escape(value)} ")
        echo_both("10.0.0.9")
        guest.never_said()


@test(timeout=90)
def malformed_mounts_are_named():
    for spec in ("xvda", "xvdz:/", "xvda:/:zfs", "initrd:/", ""):
        with Guest("httpd", cmdline=f"ip=10.0.0.2/24 mount={spec}") as guest:
            console = guest.ended("crash")
            check(f"mount={spec}" in console, f"`mount={spec}` is not named")
            guest.never_said()


@test()
def no_arguments_make_a_program_panic():
    for config, line, says in (("echo", "-- 99999", "99999"), ("blktest", "-- xvda many", "many"), ("httpd", "-- /nothing", "/nothing")):
        overrides = ["disk=[]"] if config == "blktest" else []
        with Guest(config, *overrides, cmdline=f"ip=10.0.0.2/24 {line}") as guest:
            check(says in guest.ended("crash"), f"`{line}` is not named")
            guest.never_said()


def broken_before_it_starts(config, path_of, value, *overrides, cmdline=None):
    """A guest for which a value in XenStore is replaced while it is still paused."""
    guest = Guest(config, *overrides, cmdline=cmdline, paused=True)
    path = path_of(guest)
    if value is None:
        output("xenstore-rm", path)
    else:
        store_write(path, value)
    guest.xl("unpause")
    return guest, path


@test(timeout=90)
def malformed_values_of_a_vif_are_named_with_their_path():
    for key, value in (("mac", "no:mac:at:all"), ("mac", None), ("backend", "nowhere"), ("backend-id", "-1")):
        guest, path = broken_before_it_starts("echo", lambda guest: guest.path(f"device/vif/0/{key}"), value, vifs(vif(9)), cmdline="ip=10.0.0.9/24")
        with guest:
            match = guest.expect(rf"^.*(ERROR|WARN).*vif.*{key}.*$", 20)
            if value:
                check(value in match[0], f"{key}={value}: the value is not named: {match[0]}")
            guest.xl("shutdown")
            guest.ended("poweroff")
            guest.never_said()


@test(timeout=90)
def malformed_values_of_a_disk_are_named_with_their_path():
    for key, value in (("sectors", "many"), ("sectors", "-5"), ("sector-size", "513"), ("sector-size", "0"), ("info", "x")):
        with Guest("httpd", paused=True) as guest:
            # blkback writes these when it connects, over what a test would put there: this back end does not.
            device = store_ids(guest, "vbd")[0]
            back = impostor(guest, "vbd", {"sectors": "8192", "sector-size": "512", "info": "4", key: value})
            try:
                guest.xl("unpause")
                wait_until(lambda: guest.store(f"device/vbd/{device}/state") == "3", "the front end is Initialised")
                store_write(f"{back}/state", "4")
                wait_until(lambda: guest.store(f"device/vbd/{device}/state") in ("5", "6"), "the front end gives up")
                store_write(f"{back}/state", "6")
                console = guest.ended("crash", 25)
            finally:
                run("xenstore-rm", back, strict=False)
            match = re.search(rf"^.*ERROR.*{key}.*$", console, re.M)
            check(match and value in match[0], f"{key}={value} is not named on the console")
            guest.never_said()


def store_ids(guest, kind):
    code, text = run("xenstore-list", guest.path(f"device/{kind}"), strict=False)
    return text.split() if code == 0 else []


def impostor(guest, kind, values, state="2"):
    """Points a front end to a back end that is nothing but these values, and waits for it (InitWait)."""
    device = store_ids(guest, kind)[0]
    back = f"/local/domain/0/backend/impostor/{guest.domid}/{device}"
    front = guest.path(f"device/{kind}/{device}")
    for name, value in {"frontend": front, "frontend-id": str(guest.domid), "online": "1", "state": state, **values}.items():
        store_write(f"{back}/{name}", value)
    for path in (back, *(f"{back}/{name}" for name in ("state", "online", "frontend", *values))):
        output("xenstore-chmod", path, "n0", f"r{guest.domid}")
    store_write(f"{front}/backend", back)
    return back


@test(timeout=60)
def a_vif_whose_back_end_never_connects_is_named_and_the_guest_goes_on():
    with Guest("echo", vifs(vif(9)), cmdline="ip=10.0.0.9/24", paused=True) as guest:
        back = impostor(guest, "vif", {"feature-rx-copy": "1"})
        try:
            guest.xl("unpause")
            match = guest.expect(r"^.*(ERROR|WARN).*(vif0|eth0|vif/0).*$", 40)
            check(re.search(r"\d+ ?(s|ms)\b|seconds|timed? ?out", match[0]), f"no time-out in: {match[0]}")
            guest.xl("shutdown")
            guest.ended("poweroff", 20)
            guest.never_said()
        finally:
            run("xenstore-rm", back, strict=False)


@test(timeout=60)
def a_disk_whose_back_end_never_connects_is_named_with_the_time_out():
    with Guest("blktest", "disk=['format=raw,vdev=xvda,access=r,target=/host/site.img']", paused=True) as guest:
        back = impostor(guest, "vbd", {})
        try:
            guest.xl("unpause")
            console = guest.ended("crash", 40)
            match = re.search(r"^.*ERROR.*(xvda|vbd).*$", console, re.M)
            check(match, "no error that names the disk")
            check(re.search(r"\d+ ?(s|ms)\b|seconds|timed? ?out", match[0]), f"no time-out in: {match[0]}")
            guest.never_said()
        finally:
            run("xenstore-rm", back, strict=False)


@test(timeout=60)
def a_console_that_nobody_reads_does_not_hold_the_guest_up():
    daemon = int(open("/run/xen/xenconsoled.pid").read())
    try:
        with Guest("httpd", paused=True, cmdline="ip=10.0.0.2/24 mount=/dev/xvda:/:ext4 loglevel=trace") as guest:
            os.kill(daemon, signal.SIGSTOP)
            guest.xl("unpause")
            wait_serving(guest)
            for _ in range(50):
                equal(get("/small.txt")[0], 200, "while nobody reads the console")
            os.kill(daemon, signal.SIGCONT)
            guest.xl("shutdown")
            guest.ended("poweroff")
            guest.expect("httpd: requests=")
            guest.never_said()
    finally:
        os.kill(daemon, signal.SIGCONT)


@test()
def bytes_lost_to_a_console_that_nobody_reads_are_counted():
    daemon = int(open("/run/xen/xenconsoled.pid").read())
    # Each unknown option is a warning: 30 KB, twice what the guest keeps for a reader that comes later.
    options = [chr(ord("a") + number % 26) for number in range(400)]
    try:
        with Guest("crash", cmdline=" ".join(options) + " -- hang", paused=True) as guest:
            os.kill(daemon, signal.SIGSTOP)
            guest.xl("unpause")
            time.sleep(3)
            os.kill(daemon, signal.SIGCONT)
            guest.expect("unknown option `a`")
            guest.expect(r"\[console: [1-9]\d* bytes lost\]")
            guest.xl("shutdown")
            guest.ended("poweroff")
    finally:
        os.kill(daemon, signal.SIGCONT)
