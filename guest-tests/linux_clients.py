"""Clients of the packed guests (nginx, redis, ...), run in dom0: each check asks a guest something and looks at the answer.

A check is a function without arguments that raises what is wrong. `checks(NAME, DOMAIN)` has those of a guest.
"""

import hashlib
import http.client
import http.server
import os
import pty
import re
import select
import signal
import socket
import subprocess
import threading
import time

ADDRESSES = {
    "nginx": ("10.0.0.20", 80),
    "redis": ("10.0.0.21", 6379),
    "memcached": ("10.0.0.22", 11211),
    "haproxy": ("10.0.0.23", 80),
    "python3": ("10.0.0.24", 80),
    "bash": ("10.0.0.25", None),
}
INDEX = b"Thirty bytes, no more, no less"


def same(found, wanted, what):
    assert found == wanted, f"{what}: {found!r:.200}, not {wanted!r:.200}"


def run(*words, feed=None, timeout=60):
    """Runs a client and returns what it printed."""
    done = subprocess.run([str(word) for word in words], input=feed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}: {text[-300:]}"
    return text


def wait_serving(name, limit=60):
    """Until the service accepts a connection; returns after how many seconds."""
    started = time.monotonic()
    while True:
        try:
            socket.create_connection(ADDRESSES[name], timeout=0.3).close()
            return time.monotonic() - started
        except OSError as error:
            assert time.monotonic() - started < limit, f"{name} does not serve within {limit} s: {error}"
            time.sleep(0.02)


def random_bytes(length):
    """The bytes that `random = LENGTH` makes in a root."""
    state, out, mask = 0x9E3779B97F4A7C15, bytearray(), (1 << 64) - 1
    while len(out) < length:
        state ^= state >> 12
        state = (state ^ state << 25) & mask
        state ^= state >> 27
        out += (state * 0x2545F4914F6CDD1D & mask).to_bytes(8, "little")
    return bytes(out[:length])


_MIB = []


def mib():
    if not _MIB:
        _MIB.append(random_bytes(1 << 20))
    return _MIB[0]


def get(name, path, method="GET", port=None, **headers):
    """Status, headers and body."""
    address, usual = ADDRESSES[name]
    connection = http.client.HTTPConnection(address, port or usual, timeout=20)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def wrk(name, path, connections=16, seconds=2):
    """Requests per second, after looking for errors."""
    address, port = ADDRESSES[name]
    text = run("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://{address}:{port}{path}")
    assert "Non-2xx" not in text, text
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", text)
    assert not errors or set(errors.groups()) == {"0"}, text
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    assert rate > 1, text
    return rate


# nginx

def nginx_files():
    same(get("nginx", "/")[::2], (200, INDEX), "the index")
    status, headers, body = get("nginx", "/1M.bin")
    same((status, headers["Content-Length"]), (200, str(1 << 20)), "the file of 1 MiB")
    same(hashlib.md5(body).hexdigest(), hashlib.md5(mib()).hexdigest(), "MD5 of the file of 1 MiB")
    status, headers, body = get("nginx", "/1M.bin", Range="bytes=70000-70999")
    same((status, body), (206, mib()[70000:71000]), "a range")
    same(get("nginx", "/nothing")[0], 404, "what is not there")
    same(get("nginx", "/", "HEAD")[2], b"", "HEAD")
    same(get("nginx", "/", If_None_Match="x")[0], 200, "another ETag")


def nginx_load():
    wrk("nginx", "/", 16)
    wrk("nginx", "/", 64, 2)
    wrk("nginx", "/1M.bin", 4, 2)
    nginx_files()


# redis

def redis(*words, feed=None):
    address, port = ADDRESSES["redis"]
    return run("redis-cli", "-h", address, "-p", port, *words, feed=feed).strip()


def redis_answers():
    same(redis("ping"), "PONG", "PING")
    redis("flushall")
    same(redis("set", "key", "a value"), "OK", "SET")
    same(redis("get", "key"), "a value", "GET")
    same([redis("incr", "count") for _ in range(3)], ["1", "2", "3"], "INCR")
    redis("rpush", "list", *range(100))
    same(redis("lrange", "list", "0", "-1").split(), [str(n) for n in range(100)], "LRANGE")
    same(redis("eval", "return redis.call('get', KEYS[1])", "1", "key"), "a value", "EVAL")
    redis("set", "soon", "x", "px", "50")
    time.sleep(0.2)
    same(redis("exists", "soon"), "0", "a key that expires")
    big = "x" * 500_000
    redis("-x", "set", "big", feed=big.encode())
    same(redis("strlen", "big"), str(len(big)), "STRLEN of a large value")
    same(redis("config", "get", "save").split(), ["save"], "nothing is saved")


def redis_pipe():
    redis("flushall")
    count = 10_000
    commands = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(k), k, len(k), k)
                        for k in (b"key:%d" % n for n in range(count)))
    text = redis("--pipe", feed=commands)
    assert f"errors: 0, replies: {count}" in text, text
    same(redis("dbsize"), str(count), "DBSIZE")
    same(redis("get", "key:9999"), "key:9999", "a key")


def redis_load():
    address, port = ADDRESSES["redis"]
    for pipeline, count in ((1, 3000), (16, 20_000)):
        text = run("redis-benchmark", "-h", address, "-p", port, "-t", "set,get", "-n", count, "-c", 16, "-P", pipeline, "--csv")
        rates = re.findall(r'"(SET|GET)","([\d.]+)"', text)
        same(len(rates), 2, f"results of redis-benchmark in {text}")
    redis_answers()


# memcached

class Memcached:
    """A connection that speaks the text protocol."""

    def __init__(self):
        self.stream = socket.create_connection(ADDRESSES["memcached"], timeout=20)
        self.file = self.stream.makefile("rwb")

    def ask(self, line, data=None):
        self.file.write(line.encode() + b"\r\n" + (b"" if data is None else data + b"\r\n"))
        self.file.flush()
        return self.file.readline().decode().rstrip("\r\n")

    def set(self, key, value, seconds=0):
        return self.ask(f"set {key} 0 {seconds} {len(value)}", value)

    def get(self, key):
        line = self.ask(f"get {key}")
        if line == "END":
            return None
        length = int(line.split()[3])
        value = self.file.read(length + 2)[:-2]
        same(self.file.readline(), b"END\r\n", "the end of an answer")
        return value


def memcached_answers():
    one, other = Memcached(), Memcached()
    assert one.ask("version").startswith("VERSION "), "VERSION"
    same(one.ask("flush_all"), "OK", "flush_all")
    same(one.set("key", b"a value"), "STORED", "set")
    same(other.get("key"), b"a value", "get by another client")
    same(one.get("nothing"), None, "what is not there")
    same(one.set("n", b"10"), "STORED", "set")
    same([one.ask("incr n 5"), one.ask("decr n 1")], ["15", "14"], "incr and decr")
    same(one.ask("add key 0 0 1", b"x"), "NOT_STORED", "add of what is there")
    same(one.ask("delete key"), "DELETED", "delete")
    same(one.get("key"), None, "what was deleted")
    big = os.urandom(900_000)
    same(one.set("big", big), "STORED", "set of a large value")
    assert one.get("big") == big, "a large value comes back changed"
    same(one.ask("nonsense"), "ERROR", "nonsense")


def memcached_load(clients=12, rounds=150):
    wrong = []

    def work(number):
        try:
            connection = Memcached()
            for turn in range(rounds):
                key, value = f"k{number}-{turn % 20}", f"{number}:{turn}".encode() * 20
                same(connection.set(key, value), "STORED", "set")
                same(connection.get(key), value, "get")
        except Exception as error:
            wrong.append(error)
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a client waits for ever"
    assert not wrong, wrong[0]
    memcached_answers()


# haproxy

class Backend(http.server.BaseHTTPRequestHandler):
    """What haproxy passes requests on to, on dom0."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"backend says {self.path} for {self.headers.get('X-Forwarded-For')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Backends(http.server.ThreadingHTTPServer):
    allow_reuse_address = True

    def handle_error(self, *_):
        """Checks of the service open and reset connections."""


class served:
    """Serves `Backend` on dom0's port 8080 meanwhile."""

    def __enter__(self):
        self.server = Backends(("10.0.0.1", 8080), Backend)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def haproxy_answers():
    same(get("haproxy", "/")[::2], (200, INDEX), "the answer of haproxy itself")
    with served():
        deadline = time.monotonic() + 10
        while True:
            status, _, body = get("haproxy", "/backend/x")
            if status == 200 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        same((status, body), (200, b"backend says /backend/x for 10.0.0.1"), "a request passed on")
        same(get("haproxy", "/tcp", port=81)[::2], (200, b"backend says /tcp for None"), "a connection passed on")
    same(get("haproxy", "/backend/x")[0], 503, "a request while the backend is down")


def haproxy_load():
    wrk("haproxy", "/", 16)
    with served():
        get("haproxy", "/backend/x")
        time.sleep(1.5)
        wrk("haproxy", "/backend/x", 4)
    same(get("haproxy", "/")[::2], (200, INDEX), "the answer of haproxy itself")


# python3

def python3_answers():
    same(get("python3", "/small.txt")[::2], (200, INDEX), "a file")
    assert get("python3", "/1M.bin")[2] == mib(), "the file of 1 MiB is not what it was"
    status, _, body = get("python3", "/")
    assert status == 200 and b'href="small.txt"' in body, f"the listing: {status} {body[:200]}"
    same(get("python3", "/nothing")[0], 404, "what is not there")


def python3_load():
    wrong = []

    def work():
        try:
            for _ in range(10):
                same(get("python3", "/small.txt")[::2], (200, INDEX), "a file")
        except Exception as error:
            wrong.append(error)
    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong, wrong[0]


# bash

class Console:
    """`xl console` of a guest, at which somebody types; with options, of a further console."""

    def __init__(self, domain, *options):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvp("xl", ["xl", "console", *options, domain])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, limit=15):
        """Waits for what matches, and forgets all up to there."""
        deadline = time.monotonic() + limit
        while True:
            found = re.search(pattern, self.text, re.M)
            if found:
                self.text = self.text[found.end():]
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"the console does not say {pattern!r} but {self.text[-300:]!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode(errors="replace").replace("\r", "")
                    self.text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", self.text)
                except OSError:
                    assert re.search(pattern, self.text, re.M), f"the console ended before {pattern!r}: {self.text[-300:]!r}"

    def command(self, line, pattern, prompt=True):
        """Types a line and waits for what matches, and for the next prompt."""
        self.type(line + "\n")
        self.expect(pattern)
        if prompt:
            self.expect(PROMPT)


PROMPT = r"(?:bash-guest|xen-tools)[^\n]*[#$] $"


def bash_session(domain):
    def session():
        with Console(domain) as console:
            console.type("\n")
            console.expect(PROMPT, 30)
            console.command("echo $((6 * 7))-$BASH_VERSION", r"^42-5\.\d")
            console.command("ls / | sort | tr '\\n' ' '", r"^bin( boot)? dev etc")
            console.command("seq 1 1000 | grep 7 | wc -l", r"^271$")
            console.command("for i in a b c; do echo $i > /tmp/$i; done; cat /tmp/[abc] | tac | tr -d '\\n'; echo .", r"^cba\.$")
            console.command("sleep 100 & jobs", r"\[1\]\+? +Running")
            console.command("kill %1; wait; echo gone $?", r"^gone \d+$")
            console.command("sleep 100", r"sleep 100", prompt=False)
            time.sleep(0.5)
            console.type("\x03")
            console.expect(PROMPT)
            console.command("echo status $?", r"^status 130$")
            console.command("sleep 50", r"sleep 50", prompt=False)
            time.sleep(0.5)
            console.type("\x1a")
            console.expect(r"Stopped +sleep 50")
            console.expect(PROMPT)
            console.command("bg; kill %%; tty; stty size >/dev/null && echo size", r"^size$")
            console.command("(exit 3); echo $?", r"^3$")
            console.command("exec 3<>/tmp/x; echo data >&3; wc -c </tmp/x; exec 3>&-", r"^5$")
            console.command("df -h / >/dev/null && ps 2>/dev/null; uname -s; id -u", r"^0$")
    return session


def bash_exit(domain):
    def leave():
        with Console(domain) as console:
            console.type("\n")
            console.expect(PROMPT, 30)
            console.type("exit\n")
            console.expect(r"exit")
    return leave


def checks(name, domain):
    """What is to be looked at, in order: a sentence and a function for each."""
    if name == "bash":
        return [("commands typed on the console are done", bash_session(domain))]
    scope = globals()
    return [
        ("it serves", lambda: wait_serving(name)),
        ("its answers are right", scope[f"{name}_files" if name == "nginx" else f"{name}_answers"]),
        *([("a pipe of commands is done", redis_pipe)] if name == "redis" else []),
        ("its answers are right under load", scope[f"{name}_load"]),
    ]
