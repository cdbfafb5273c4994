#!/usr/bin/env python3
"""Records what Linux does with pipes, eventfds and epoll at random, for `recorded.rs`: record.py CASES [SEED] > recorded.txt"""
import errno, fcntl, os, random, select, sys

IN, OUT, ET, ONESHOT = 1, 4, 1 << 31, 1 << 30
PIPES, EVENTFDS, EPOLLS = 2, 2, 2
ALL = 0x3c7
SETPIPE_SZ = 1031


def attempt(action):
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno]


class Case:
    """File 2i reads pipe i, file 2i+1 writes it; 100 and on are eventfds, 200 and on epoll instances."""

    def __init__(self, nested):
        self.nested, self.files = nested, {}
        for i in range(PIPES):
            self.files[2 * i], self.files[2 * i + 1] = os.pipe2(os.O_NONBLOCK)
        for i in range(EVENTFDS):
            self.files[100 + i] = os.eventfd(0, os.EFD_NONBLOCK | (os.EFD_SEMAPHORE if i else 0))
        self.epolls = [select.epoll() for _ in range(EPOLLS)]
        for i, epoll in enumerate(self.epolls):
            self.files[200 + i] = epoll.fileno()

    def run(self, count):
        print("case")
        for _ in range(count):
            self.step()
        for file, fd in self.files.items():
            if file < 200:
                os.close(fd)
        for epoll in self.epolls:
            epoll.close()

    def step(self):
        what = random.choices(["write", "read", "size", "close", "add", "mod", "del", "wait", "poll"], [8, 8, 1, 0.3, 5, 2, 1, 10, 2])[0]
        plain = [file for file in self.files if file < 200]
        if what == "write":
            # A write that fails wakes who polls for reading, in Linux; that is no promise.
            file = random.choice([file for file in plain if file >= 100 or file % 2 and self.poll(file) & OUT] or [100])
            count = random.choice([1, 1, 10, 3000, 4096, 5000, 70000])
            if file >= 100:
                count = random.choice([1, 2, 2**64 - 2])
                data = count.to_bytes(8, "little")
            else:
                data = bytes(count)
            print("write", file, count, attempt(lambda: os.write(self.files[file], data)))
        elif what == "read":
            file = random.choice([file for file in plain if file >= 100 or file % 2 == 0] or [100])
            count = 8 if file >= 100 else random.choice([1, 10, 4096, 5000, 100000])
            def read():
                data = os.read(self.files[file], count)
                return int.from_bytes(data, "little") if file >= 100 else len(data)
            print("read", file, count, attempt(read))
        elif what == "size":
            file = random.choice([file for file in plain if file < 100] or [100])
            size = random.choice([1, 4096, 5000, 65536, 1 << 20])
            print("size", file, size, attempt(lambda: fcntl.fcntl(self.files[file], SETPIPE_SZ, size)) if file < 100 else "EBADF")
        elif what == "close":
            closable = [file for file in plain if file < 100]
            if closable:
                file = random.choice(closable)
                os.close(self.files.pop(file))
                print("close", file, "0")
        elif what in ("add", "mod", "del"):
            epoll, file = random.randrange(EPOLLS), random.choice(list(self.files) if self.nested else plain)
            events = random.choice([IN, OUT, IN | OUT, IN | OUT, 0]) | random.choice([0, ET]) | random.choice([0, 0, ONESHOT])
            instance, fd = self.epolls[epoll], self.files[file]
            action = {"add": lambda: instance.register(fd, events), "mod": lambda: instance.modify(fd, events), "del": lambda: instance.unregister(fd)}[what]
            print(what, epoll, file, f"{events:x}", attempt(action) or 0)
        elif what == "wait":
            epoll, most = random.randrange(EPOLLS), 10 if self.nested else random.choice([1, 2, 9])
            names = {fd: file for file, fd in self.files.items()}
            told = self.epolls[epoll].poll(0, most)
            if self.nested:
                # An event that reaches an instance by two ways is told in the order in which these were made, last first.
                told.sort(key=lambda event: names[event[0]])
            print("wait", epoll, most, " ".join(f"{names[fd]}:{events:x}" for fd, events in told) or "-")
        else:
            file = random.choice(list(self.files))
            print("poll", file, f"{self.poll(file):x}")

    def poll(self, file):
        poll = select.poll()
        poll.register(self.files[file], ALL)
        told = poll.poll(0)
        return told[0][1] if told else 0


import signal
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
print("# Recorded by record.py on Linux", os.uname().release.split("-")[0])
for number in range(int(sys.argv[1])):
    Case(number % 3 == 0).run(60)
