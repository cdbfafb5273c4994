"""Debian's programs as guests: right answers under load, a clean end by `xl shutdown`, and a second start."""

import linux_clients
from harness import Guest, check, equal, host_file, output
from suite import test

# What each says on its console at its start, and when it is told to end.
WORDS = {
    "nginx": (r"start worker processes", r"signal 15 \(SIGTERM\) received"),
    "redis": (r"Ready to accept connections", r"Received SIGTERM scheduling shutdown"),
    "memcached": (None, r"Exiting normally|Signal handled: Terminated"),
    "haproxy": (r"Loading success", r"Exiting Master process|Proxy web stopped"),
    "python3": (r"Serving HTTP on 0\.0\.0\.0", None),
}


def life(name, domain=None):
    """Starts it, asks what there is to ask, shuts it down, and starts it once more. `domain` is the guest if it is called otherwise."""
    domain = domain or name
    host_file(f"{domain}.cfg")
    with Guest(domain) as guest:
        for what, ask in linux_clients.checks(name, guest.name):
            try:
                ask()
            except AssertionError as error:
                raise AssertionError(f"{what}: {error}") from None
        start, end = WORDS[name]
        if start:
            guest.expect(start)
        output("xl", "shutdown", "-w", guest.name, timeout=30)
        console = guest.ended("poweroff")
        if end:
            guest.expect(end)
        equal(guest.store("control/shutdown"), "", "control/shutdown, which the guest empties as an answer")
        guest.never_said("PANIC", "CRASH")
        check(console.strip(), "nothing was said on the console")
    with Guest(domain) as guest:
        linux_clients.wait_serving(name)
        linux_clients.checks(name, guest.name)[1][1]()


@test(timeout=150)
def nginx_serves_files_with_two_workers():
    life("nginx")


@test(timeout=150)
def nginx_serves_files_out_of_an_initramfs():
    life("nginx", "nginx-initramfs")


@test(timeout=150)
def redis_keeps_what_it_is_told():
    life("redis")


@test(timeout=150)
def memcached_keeps_what_it_is_told():
    life("memcached")


@test(timeout=150)
def haproxy_answers_and_passes_on():
    life("haproxy")


@test(timeout=150)
def python_serves_a_directory():
    life("python3")


@test(timeout=120)
def bash_does_what_is_typed_and_the_guest_ends_with_it():
    with Guest("bash") as guest:
        linux_clients.bash_session(guest.name)()
        linux_clients.bash_exit(guest.name)()
        guest.ended("poweroff")
        equal(guest.store("data/exit-code"), "0", "data/exit-code")
        guest.never_said("PANIC", "CRASH")


@test(timeout=60)
def a_program_with_the_wrong_arguments_ends_the_guest_with_its_status():
    with Guest("python3", cmdline="root=xvda:ext4 loglevel=info -- python3 -c no_such_name") as guest:
        guest.expect(r"NameError", 40)
        guest.expect(r"exit (status|code) 1")
        equal(guest.store("data/exit-code"), "1", "data/exit-code")
