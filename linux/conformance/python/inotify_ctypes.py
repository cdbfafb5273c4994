"""System calls that Python has no function for, through ctypes: inotify, eventfd, timerfd, memfd, prctl."""
import ctypes
import os
import select
import struct

libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_NONBLOCK)
os.mkdir("d")
print(libc.inotify_add_watch(fd, b"d", 0x100 | 0x2 | 0x200))
open("d/f", "w").write("x")
os.unlink("d/f")
data, events = os.read(fd, 4096), []
while data:
    wd, mask, cookie, n = struct.unpack("iIII", data[:16])
    events.append((hex(mask), data[16 : 16 + n].rstrip(b"\0")))
    data = data[16 + n :]
print(events)
e = libc.eventfd(5, 0)
print(struct.unpack("Q", os.read(e, 8)))
t = libc.timerfd_create(1, 0)
print(libc.timerfd_settime(t, 0, struct.pack("4q", 0, 0, 0, 10_000_000), None), struct.unpack("Q", os.read(t, 8)))
m = os.memfd_create("name")
os.write(m, b"memory")
print(os.pread(m, 10, 0), os.readlink(f"/proc/self/fd/{m}"))
name = ctypes.create_string_buffer(16)
libc.prctl(15, b"renamed")
libc.prctl(16, name)
print(name.value, open("/proc/self/comm").read().strip())
p = select.epoll()
p.register(e, select.EPOLLIN | select.EPOLLET)
os.write(e, struct.pack("Q", 1))
print(p.poll(1) == [(e, select.EPOLLIN)], p.poll(0))
print(libc.syscall(9999), ctypes.get_errno())
print(os.sendfile(os.open("out", os.O_CREAT | os.O_WRONLY), m, 0, 6), open("out").read(), os.copy_file_range(os.open("out", os.O_RDONLY), os.open("out2", os.O_CREAT | os.O_RDWR), 6))
