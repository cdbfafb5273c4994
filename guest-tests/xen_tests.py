"""Debian's programs for Xen inside packed guests: XenStore's clients, `vchan-socket-proxy` at both ends, and Xen's libraries.

Two guests with a shell are shared by all tests here. What their programs do beyond Debian's is in xen_programs.py, which is a disk of
theirs.
"""

import os
import re
import socket
import subprocess
import time

import linux_clients
from harness import Guest, check, disks, equal, host_file, output, run, scratch, shared, store_read, store_write, wait_until
from suite import test
from vchan_tests import OWN, SOCKET, Proxy, connect, without_socket
from vchan_tests import echo as echo_bytes

PROGRAMS = "python3 -B /dev/xvdb"
TOOL = "/usr/lib/xen-4.17/bin/vchan-socket-proxy"


class Shell:
    """A guest with a shell, and somebody at its console."""

    def __init__(self):
        script = scratch("xen_programs.py")
        if not os.path.exists(script):
            with open(os.path.join(os.path.dirname(__file__), "xen_programs.py")) as file:
                text = file.read()
            with open(script, "w") as file:
                file.write(text.ljust(32768, "\n"))
        self.guest = Guest("xen-tools", disks((host_file("xen-tools/root.img"), "xvda", "r"), (script, "xvdb", "r")))
        self.console = linux_clients.Console(self.guest.name)
        self.console.type("\n")
        self.console.expect(linux_clients.PROMPT, 40)
        # Long lines come back as they were typed then.
        self.say("set +o emacs")

    def say(self, line, pattern=r"^<DONE>$", limit=30):
        """Types a line, and returns what matched in its answer: if nothing is asked for, that it was done."""
        if pattern == r"^<DONE>$":
            line += "; echo '<'DONE'>'"
        self.console.text = ""
        self.console.type(line + "\n")
        found = self.console.expect(pattern, limit)
        self.console.expect(linux_clients.PROMPT)
        return found

    def answer(self, line, limit=30):
        """Types a line, and returns what it printed."""
        return self.say(f"{line}; echo '<'END'>'", r"(?s)'>'\n(.*)<END>\n", limit)[1]

    def program(self, words, limit=30):
        """Runs one of our programs to its good end, and returns what else it said."""
        found = self.say(f"{PROGRAMS} {words}; echo '<'END'>'", r"(?s)'>'\n(.*)<END>\n", limit)[1]
        check(found.rstrip().endswith(f"SUCCESS: {words.split()[0]}"), f"{words}: {found[-600:]}")
        return found

    def begin(self, line, pattern, limit=30):
        """Starts something in the background, which says that it is ready: perhaps behind the next prompt."""
        self.console.type(f"{line} &\n")
        found = self.console.expect(pattern, limit)
        self.say("true")
        return found


SHELLS = {}


def shell_of(number):
    """One of the guests that the tests here share."""
    def make():
        SHELLS[number] = Shell()
        return SHELLS[number].guest
    shared(("xen-tools", number), make)
    return SHELLS[number]


def mapped_of(domid, by):
    """How many grants of a domain another one has mapped, as Xen tells it."""
    output("xl", "dmesg", "-c")
    output("xl", "debug-keys", "g")
    tables = output("xl", "dmesg").split("grant-table for remote d")
    table = next((table for table in tables if re.match(rf"{domid}\b", table)), "")
    return len(re.findall(rf"\[0x[0-9a-f]+\] +{by} 0x", table))


@test(timeout=120)
def xenstores_clients_print_in_a_guest_what_they_print_in_dom0():
    shell = shell_of(0)
    guest = shell.guest
    equal(shell.answer("xenstore-read domid").strip(), str(guest.domid), "the guest's number")
    for words in ("xenstore-ls -f", "xenstore-ls -p", "xenstore-list"):
        path = f"/local/domain/{guest.domid}"
        equal(shell.answer(f"{words} {path} | cksum"), subprocess.run(f"{words} {path} | cksum", shell=True, stdout=subprocess.PIPE,
              text=True).stdout, f"{words} {path}")
    shell.answer("xenstore-write data/one 'first value' data/two $(printf %02000d 7)")
    equal((guest.store("data/one"), len(guest.store("data/two"))), ("first value", 2000), "what the guest has written")
    owner = f"n{guest.domid}"
    equal(shell.answer(f"xenstore-chmod data/one {owner} r7 && xenstore-ls -p data/one").strip(), output("xenstore-ls", "-p", guest.path("data/one")).strip(),
          "who may read it")
    check(f"({owner},r7)" in output("xenstore-ls", "-p", guest.path("data")), "the guest's permissions are not there")
    shell.say("xenstore-exists data/two && xenstore-rm data/two; xenstore-exists data/two || echo it is gone", r"^it is gone$")
    equal(guest.store("data/two"), None, "what the guest has removed")
    shell.say("xenstore-read /local/domain/0/domid; echo status $?", r"(?i)^.*(?:permission denied|couldn't read path)(?s:.*)^status 1$")
    shell.say("xenstore-write /local/domain/0/data/x 1; echo status $?", r"^status 1$")
    # A watch, of what dom0 writes.
    shell.begin("xenstore-watch -n 3 data/watched", r"data/watched$")
    store_write(guest.path("data/watched"), "1")
    shell.console.expect(r"data/watched$")
    store_write(guest.path("data/watched/below"), "2")
    shell.console.expect(r"data/watched/below$")
    shell.say("wait; echo ended", r"^ended$")
    equal(shell.answer("xen-detect"), output("xen-detect"), "xen-detect")


@test(timeout=120)
def xens_libraries_keep_their_promises_in_a_guest():
    shell = shell_of(0)
    for verb in ("own", "refusals", "killed"):
        shell.program(verb)
    major = output("xl", "info")
    version = "".join(re.search(rf"^xen_{key} +: (.*)$", major, re.M)[1] + dot for key, dot in (("major", "."), ("minor", ""), ("extra", "")))
    check(f"xen {version}\n" in shell.program("hypercalls"), f"libxenctrl says nothing of {version}")
    shell.guest.never_said("PANIC", "CRASH", "quarantined")
    equal(mapped_of(shell.guest.domid, shell.guest.domid), 0, "grants that are mapped at the end")


@test(timeout=120)
def two_guests_talk_by_vchan_socket_proxy():
    server, client = shell_of(0), shell_of(1)
    server.begin(f"{PROGRAMS} echo /tmp/s", r"listens$")
    path = server.guest.path("data/vchan")
    server.say(f"{TOOL} --mode=server {client.guest.domid} data/vchan /tmp/s & sleep 0.1")
    client.say(f"rm -f /tmp/c; {TOOL} {server.guest.domid} {path} /tmp/c & sleep 0.1")
    client.program("send /tmp/c 1 5000 300000 1 20000", 60)
    client.say("kill %1; wait; echo ended", r"^ended$")
    # A client that is killed in the midst; the server goes on with the next one.
    client.say(f"sleep 20 | {TOOL} {server.guest.domid} {path} - & sleep 1")
    check(mapped_of(server.guest.domid, client.guest.domid), "Xen does not tell of the page that is mapped")
    client.say("kill -9 $!; sleep 0.5")
    equal(mapped_of(server.guest.domid, client.guest.domid), 0, "what the client that was killed has mapped")
    client.say(f"rm -f /tmp/c; {TOOL} {server.guest.domid} {path} /tmp/c & sleep 0.5")
    client.program("send /tmp/c 30000")
    server.say("kill -9 %1 %2; wait; echo they were killed", r"^they were killed$")
    client.say("kill -9 $(jobs -p); wait; echo they were killed", r"^they were killed$")
    for shell in (server, client):
        shell.program("refusals")
        shell.guest.never_said("PANIC", "CRASH", "quarantined")


@test(timeout=90)
def the_tool_in_a_guest_talks_with_the_one_in_dom0():
    shell = shell_of(0)
    guest = shell.guest
    without_socket()
    shell.begin(f"{PROGRAMS} echo /tmp/d", r"listens$")
    shell.say(f"{TOOL} --mode=server 0 data/dom0 /tmp/d & sleep 0.1")
    with Proxy("client", guest.domid, guest.path("data/dom0")):
        with connect() as stream:
            # As in `send`: the server knows of the client first.
            time.sleep(1)
            for size in (1, 5000, 200_000):
                echo_bytes(stream, size)
    shell.say("kill %1 %2; wait; echo ended", r"^ended$")
    # And the other way round.
    run("xenstore-rm", OWN, strict=False)
    without_socket()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(SOCKET)
        listener.listen()
        listener.settimeout(20)
        with Proxy("server", guest.domid, OWN):
            wait_until(lambda: store_read(f"{OWN}/event-channel"), "dom0's end is there")
            shell.say(f"rm -f /tmp/e; {TOOL} 0 {OWN} /tmp/e & sleep 0.1")
            shell.console.type(f"{PROGRAMS} send /tmp/e 1 100000\n")
            stream, _ = listener.accept()
            with stream:
                while part := stream.recv(65536):
                    stream.sendall(part)
            shell.console.expect(r"^SUCCESS: send$", 30)
            shell.console.expect(linux_clients.PROMPT)
            shell.say("kill %1; wait; echo ended", r"^ended$")
    without_socket()
    shell.program("refusals")
    guest.never_said("PANIC", "CRASH", "quarantined")


@test(timeout=90)
def a_guest_whose_page_another_one_has_mapped_is_gone_when_that_one_lets_go():
    holder = shell_of(0)
    giver = Shell()
    with giver.guest as guest:
        gref = giver.begin(f"{PROGRAMS} give {holder.guest.domid}", r"gives (\d+)$")[1]
        holder.begin(f"{PROGRAMS} hold {guest.domid} {gref}", r"holds 171$")
        equal(mapped_of(guest.domid, holder.guest.domid), 1, "pages that are mapped, as Xen tells it")
        domid = guest.domid
    # Xen keeps what is left of it for the page's sake.
    check(re.search(rf"^\(null\) +{domid} ", output("xl", "list"), re.M), f"nothing is left of domain {domid}")
    holder.say("kill -9 %1; wait; echo it was killed", r"^it was killed$")
    wait_until(lambda: f" {domid} " not in output("xl", "list"), f"domain {domid} is gone", 10)
    holder.program("refusals")
    holder.guest.never_said("PANIC", "CRASH", "quarantined")
