"""Life and death as xl orders them, and that dom0 has everything back afterwards."""

import re
import threading
import time

from harness import Failure, Guest, check, domains, equal, output, run, wait_until
from http_client import get, httpd, wait_serving
from suite import test


@test()
def xl_shutdown_lets_the_server_finish_and_is_a_poweroff():
    with httpd() as guest:
        output("xl", "shutdown", "-w", guest.name, timeout=20)
        console = guest.ended("poweroff")
        check(re.search(r"^httpd: requests=\d+ connections=\d+ cpu_us=\d+", console, re.M), "no summary at the end")
        equal(guest.store("control/shutdown"), "", "control/shutdown, which the guest empties as an answer")
        equal(guest.store("data/exit-code"), "0", "data/exit-code")
        guest.never_said("PANIC", "CRASH", "ERROR")


@test()
def xl_shutdown_destroys_a_domain_by_default():
    with httpd(keep=False) as guest:
        output("xl", "shutdown", "-w", guest.name, timeout=20)
        wait_until(lambda: guest.find_domid() is None, "xl removes the domain")


@test(timeout=60)
def xl_reboot_brings_the_server_back_as_a_new_domain():
    with httpd(keep=False) as guest:
        for _ in range(2):
            first = guest.find_domid()
            guest.xl("reboot")
            wait_until(lambda: guest.find_domid() not in (None, first), "a new domain", 20)
            wait_serving(guest)
            equal(get("/small.txt")[0], 200, "after the reboot")
        guest.never_said()


@test()
def xl_shutdown_reaches_an_application_that_does_not_watch_for_it():
    with Guest("crash", cmdline="-- hang") as guest:
        time.sleep(0.5)
        guest.xl("shutdown")
        guest.ended("poweroff")


@test()
def shutdown_and_reboot_are_heard_at_once_after_the_start():
    for order, reason in (("shutdown", "poweroff"), ("reboot", "reboot")):
        with Guest("httpd", paused=True) as guest:
            # xl waits for the guest to acknowledge the order.
            xl = threading.Thread(target=run, args=("xl", order, guest.name), daemon=True)
            xl.start()
            wait_until(lambda: guest.store("control/shutdown"), "xl writes its order")
            guest.xl("unpause")
            guest.ended(reason)
            xl.join(10)
            check(not xl.is_alive(), f"xl {order} does not see that it was acknowledged")


class Traffic:
    """Requests one after the other until told to stop."""

    def __init__(self):
        self.answers = 0
        self.stopped = False
        self.thread = threading.Thread(target=self.body, daemon=True)
        self.thread.start()

    def body(self):
        while not self.stopped:
            try:
                self.answers += get("/small.txt")[0] == 200
            except Failure:
                time.sleep(0.05)

    def stop(self):
        self.stopped = True


@test(timeout=60)
def xl_destroy_in_the_midst_of_traffic_leaves_nothing():
    one_life("httpd")
    nodes = store_count()
    for _ in range(2):
        traffic = Traffic()
        try:
            with httpd() as guest:
                wait_until(lambda: traffic.answers > 5, "traffic")
                guest.destroy()
        finally:
            traffic.stop()
    wait_until(lambda: store_count() <= nodes, "XenStore is as before")


@test()
def a_guest_paused_in_the_midst_of_traffic_goes_on_where_it_was():
    with httpd() as guest:
        traffic = Traffic()
        try:
            for _ in range(3):
                seen = traffic.answers
                wait_until(lambda: traffic.answers > seen + 3, "traffic")
                guest.xl("pause")
                time.sleep(0.3)
                seen = traffic.answers
                time.sleep(0.3)
                check(traffic.answers <= seen + 1, "a paused guest answers")
                guest.xl("unpause")
        finally:
            traffic.stop()
        wait_serving(guest)
        guest.never_said()


@test()
def an_idle_server_uses_no_cpu():
    with httpd() as guest:
        get("/small.txt")
        time.sleep(1)
        before = guest.cpu_seconds()
        time.sleep(10)
        used = guest.cpu_seconds() - before
        check(used <= 0.1, f"{used:.1f} s of CPU time in 10 idle seconds")


def store_count():
    return output("xenstore-ls").count("\n")


def resources():
    """What a guest may leave behind in dom0 and Xen."""
    info = output("xl", "info")
    return {
        "domains": len(domains()),
        "xenstore": store_count(),
        "free_memory": int(re.search(r"free_memory\s*:\s*(\d+)", info)[1]),
        "vifs": len(re.findall(r"^\d+: vif", output("ip", "-o", "link"), re.M)),
        "loops": output("losetup", "-a").count("\n"),
        "processes": output("ps", "ax").count("xl create"),
    }


@test(timeout=240)
def twenty_guests_come_and_go_without_a_leak_in_dom0():
    # The first of each kind makes what stays: directories of XenStore, loop devices.
    one_life("hello")
    one_life("httpd")
    before = resources()
    for number in range(20):
        one_life("httpd" if number % 2 else "hello")

    def same():
        after = resources()
        return all(after[name] >= count if name == "free_memory" else after[name] <= count for name, count in before.items())
    try:
        wait_until(same, "everything is back", 30, 0.5)
    except Failure:
        raise Failure(f"before: {before}; after: {resources()}") from None


def one_life(config):
    """hello ends by itself; httpd serves and is then shut down or destroyed in turn."""
    with Guest(config, keep=False) as guest:
        if config == "hello":
            guest.expect("SUCCESS")
            wait_until(lambda: guest.find_domid() is None, "hello goes", 40)
            return
        wait_serving(guest)
        if Guest.count % 4 < 2:
            output("xl", "shutdown", "-w", guest.name)
            wait_until(lambda: guest.find_domid() is None, "httpd goes", 40)
