"""The router between two bridges, each with a machine that is a network namespace of dom0; the back ends are Linux's."""

import hashlib
import os
import re
import socket
import tarfile
import threading

import two_networks as networks
from harness import Guest, check, equal, output, run, scratch, shared, store_write, vif, vifs, wait_until
from suite import test
from two_networks import INTERFACES, V4, V6, inside, on

IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000
# near may begin what it likes, and is masqueraded over IPv4; far may ask near's port 80 by the router's 8080, and ping over IPv6.
RULES = INTERFACES + (
    "masquerade out 1",
    "forward in 1 tcp port 8080 to 10.11.0.2 port 80",
    "reject in 0 tcp port 25",
    "accept in 0 out 1",
    "accept in 1 out 0 tcp port 80",
    "accept in 1 from fd00:12::/64 icmp",
)


def router(*rules):
    networks.make()
    # One at a time has the addresses; and what an earlier one advertised is forgotten.
    for other in [guest for guest in Guest.alive if guest.config == "router"]:
        other.destroy()
    run("ip", "-n", "near", "-6", "addr", "flush", "dev", "eth0", "dynamic", strict=False)
    run("ip", "-n", "near", "-6", "route", "flush", "proto", "ra", strict=False)
    networks.forget()
    words = " ".join(f'"{rule}"' for rule in rules)
    guest = Guest("router", vifs(vif(0x60, networks.BRIDGES[0]), vif(0x61, networks.BRIDGES[1])), cmdline=f"-- {words}")
    guest.expect(r"^router: 2 interfaces", 30)
    return guest


def usual():
    return shared("router", lambda: router(*RULES))


def narrow():
    """Lets everything through; far's link takes packets of 1300 bytes."""
    return shared("narrow", lambda: router(INTERFACES[0] + " advertise", INTERFACES[1] + " mtu 1300", "default accept"))


def ping(number, address, *more):
    return output(*on(number, "ping", "-c", "2", "-i", "0.2", "-W", "10", *more, address))


def listen(number, address, port, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(number):
        listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.settimeout(30)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    return listener


def connect(number, address, port, timeout=20, kind=socket.SOCK_STREAM):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(number):
        stream = socket.socket(family, kind)
    stream.settimeout(timeout)
    stream.connect((address, port))
    return stream


def transfer(listener, client, size):
    """Sends random bytes from the client to who accepts, and their hash back; returns the client's address as the other sees it."""
    data = os.urandom(size)
    seen = []

    def serve():
        stream, address = listener.accept()
        seen.append(address[0])
        with stream:
            stream.settimeout(60)
            digest = hashlib.sha256()
            left = size
            while left and (part := stream.recv(min(left, 65536))):
                digest.update(part)
                left -= len(part)
            stream.sendall(digest.digest())
    server = threading.Thread(target=serve, daemon=True)
    server.start()
    with client() as stream:
        stream.settimeout(60)
        stream.sendall(data)
        back = b""
        while len(back) < 32 and (part := stream.recv(64)):
            back += part
    server.join(60)
    equal(back.hex(), hashlib.sha256(data).hexdigest(), f"the hash of {size} bytes")
    return seen[0]


@test(timeout=90)
def pings_of_both_versions_go_through_and_the_router_answers_its_own():
    guest = usual()
    for address in ("10.11.0.1", "10.12.0.1", "fd00:11::1", V4[1], V6[1]):
        ping(0, address)
    ping(1, V6[0])
    guest.never_said()


@test(timeout=90)
def tcp_goes_through_masqueraded_over_ipv4_and_as_it_is_over_ipv6():
    guest = usual()
    for address, seen_as in ((V4[1], "10.12.0.1"), (V6[1], V6[0])):
        with listen(1, address, 9000) as listener:
            seen = transfer(listener, lambda where=address: connect(0, where, 9000), 3_000_000)
        equal(seen, seen_as, "the client as the server sees it")
    guest.never_said()


@test(timeout=90)
def a_port_of_the_router_leads_to_the_machine_behind_it():
    guest = usual()
    with listen(0, V4[0], 80) as listener:
        seen = transfer(listener, lambda: connect(1, "10.12.0.1", 8080), 200_000)
    equal(seen, V4[1], "the client as the server sees it")
    guest.never_said()


@test(timeout=90)
def what_no_rule_accepts_is_dropped_and_what_is_rejected_is_told():
    guest = usual()
    with listen(0, V4[0], 9001), listen(1, V4[1], 25):
        for number, address, port, wanted in ((1, V4[0], 9001, TimeoutError), (0, V4[1], 25, OSError)):
            try:
                connect(number, address, port, 4).close()
                check(False, f"{address}:{port} can be reached")
            except OSError as error:
                told = not isinstance(error, TimeoutError)
                equal(told, wanted is OSError, f"{address}:{port} is told of: {error!r}")
    guest.never_said()


@test(timeout=90)
def udp_answers_come_back_and_a_closed_port_is_heard_of_through_the_translation():
    guest = usual()
    with listen(1, V4[1], 5353, socket.SOCK_DGRAM) as server, connect(0, V4[1], 5353, kind=socket.SOCK_DGRAM) as client:
        client.send(b"a question")
        question, address = server.recvfrom(100)
        equal((question, address[0]), (b"a question", "10.12.0.1"), "what the server gets")
        server.sendto(b"an answer", address)
        equal(client.recv(100), b"an answer", "what comes back")
    with connect(0, V4[1], 5354, kind=socket.SOCK_DGRAM) as client:
        client.send(b"is there anybody")
        try:
            client.recv(100)
            check(False, "an answer from a closed port")
        except ConnectionRefusedError:
            pass
    guest.never_said()


@test(timeout=90)
def a_traceroute_sees_the_router():
    guest = usual()
    for address, own, level, option, receive in (
        (V4[1], "10.11.0.1", socket.IPPROTO_IP, socket.IP_TTL, IP_RECVERR),
        (V6[1], "fd00:11::1", socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, IPV6_RECVERR),
    ):
        with connect(0, address, 33434, kind=socket.SOCK_DGRAM) as probe:
            probe.setsockopt(level, option, 1)
            probe.setsockopt(level, receive, 1)
            probe.send(b"how far")

            def error(stream=probe):
                try:
                    return stream.recvmsg(500, 500, MSG_ERRQUEUE)
                except BlockingIOError:
                    return None
            probe.setblocking(False)
            _, ancillary, _, _ = wait_until(error, "an error about the probe", 20)
        _, _, data = ancillary[0]
        # sock_extended_err: errno, origin, type, code; then who told.
        kind = data[5]
        equal(kind, 11 if ":" not in address else 3, "the type of the error")
        teller = data[20:24] if ":" not in address else data[24:40]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        equal(socket.inet_ntop(family, teller), own, "who told")
    guest.never_said()


@test(timeout=90)
def a_flood_leaves_the_router_forwarding():
    guest = usual()
    with connect(0, V4[1], 9, kind=socket.SOCK_DGRAM) as flood:
        for number in range(4000):
            try:
                flood.send(b"x" * (number % 1400))
            except OSError:
                pass
    # Many connections that nobody answers: more than there may be.
    with inside(0):
        many = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with many:
        for number in range(5000):
            try:
                many.sendto(b"x", (V4[1], 10_000 + number))
            except OSError:
                pass
    for address in (V4[1], V6[1]):
        ping(0, address)
    guest.never_said()


@test(timeout=90)
def hosts_learn_their_ipv6_network_from_the_router():
    guest = narrow()

    def addresses():
        text = output("ip", "-n", "near", "-6", "addr", "show", "dev", "eth0")
        return re.search(r"inet6 fd00:11::\S+:\S+/64 scope global dynamic", text)
    wait_until(addresses, "near makes itself an address", 20)
    guest.never_said()


@test(timeout=90)
def a_link_that_takes_less_is_told_of_and_tcp_goes_by_it():
    guest = narrow()
    for address, packet in ((V4[1], "Frag needed|Message too long|mtu"), (V6[1], "Packet too big|mtu")):
        _, text = run(*on(0, "ping", "-M", "do", "-c", "3", "-i", "0.3", "-W", "5", "-s", "1400", address), strict=False)
        check(re.search(packet, text, re.I) and "1300" in text, f"ping is not told of the MTU:\n{text}")
        networks.forget()
        with listen(1, address, 9002) as listener:
            transfer(listener, lambda where=address: connect(0, where, 9002), 500_000)
    guest.never_said()


def is_reached(address):
    return run(*on(0, "ping", "-c", "1", "-W", "1", address), strict=False)[0] == 0


@test(timeout=90)
def a_back_end_that_closes_and_comes_back_is_met_again():
    guest = narrow()
    ping(0, V6[1])
    store_write(f"{guest.backend('vif', 1)}/state", "5")
    guest.expect("vif1: connected again", 30)
    wait_until(lambda: is_reached(V6[1]), "it forwards again", 30)
    guest.never_said("PANIC", "CRASH", "quarantined")


@test(timeout=90)
def a_vif_that_is_detached_and_attached_again_is_routed_through_again():
    guest = narrow()
    output("xl", "network-detach", guest.name, "1")
    guest.expect("vif1: the back end is going(?s:.*)vif1: the back end is going", 30)
    # The other interface is served meanwhile.
    ping(0, "10.11.0.1")
    check(not is_reached(V4[1]), "it is reached without a vif")
    output("xl", "network-attach", guest.name, "mac=00:16:3e:00:01:61", f"bridge={networks.BRIDGES[1]}")
    guest.expect("vif1: connected again(?s:.*)vif1: connected again", 30)
    for address in (V4[1], V6[1]):
        wait_until(lambda where=address: is_reached(where), f"{address} is reached again", 30)
    guest.never_said("PANIC", "CRASH", "quarantined")


@test(timeout=60)
def counters_are_printed_when_a_key_is_pressed_and_at_the_end():
    with router(*RULES) as guest:
        ping(0, V4[1], "-c", "5")
        with open(guest.store("console/tty"), "wb", buffering=0) as console:
            console.write(b"\r")
        found = guest.expect(r"^router: forwarded_packets=(\d+) .*connections=(\d+) translated=(\d+)")
        check(int(found[1]) >= 4 and (found[2], found[3]) == ("1", "1"), f"the counters are {found[0]}")
        guest.expect(r"^router: interface=1 vif=1 received_packets=\d+")
        guest.expect(r"^router: line=6 accept hits=1$")
        connect_refused = run(*on(1, "ping", "-c", "1", "-W", "1", V4[0]), strict=False)[0]
        check(connect_refused != 0, "far reaches near")
        guest.xl("shutdown")
        console = guest.ended("poweroff")
        check(re.findall(r"^router: dropped.* filtered=1\b", console, re.M), "the end of the console has no dropped ping")
        guest.never_said()


@test(timeout=60)
def a_wrong_rule_is_named_with_file_line_and_word():
    # Before any interface is looked for.
    with Guest("router", "vif=[]", cmdline=f'-- "{INTERFACES[0]}" "acept in 0"') as guest:
        console = guest.ended("crash")
        check("argument:2: `acept` begins no line" in console, console[-500:])
    archive = scratch("rules.tar")
    rules = scratch("router.rules")
    with open(rules, "w") as file:
        file.write("\n".join(RULES) + "\naccept in eth0\n")
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(rules, "router.rules")
    with Guest("router", "vif=[]", f'ramdisk="{archive}"', cmdline="") as guest:
        console = guest.ended("crash")
        check("/router.rules:9: `eth0` is not the number of an interface" in console, console[-500:])
