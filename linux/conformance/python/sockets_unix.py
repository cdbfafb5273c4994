"""AF_UNIX from Python: streams, datagrams, pairs, descriptors and credentials passed."""
import array
import os
import socket
import struct

l = socket.socket(socket.AF_UNIX)
l.bind("sock")
l.listen()
c = socket.socket(socket.AF_UNIX)
c.connect("sock")
s, name = l.accept()
print(repr(name), c.getpeername(), s.getsockname())
pid, uid, gid = struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
print(pid == os.getpid(), uid, gid)
r, w = os.pipe()
socket.send_fds(c, [b"two"], [r, w])
message, fds, flags, _ = socket.recv_fds(s, 10, 4)
os.write(fds[1], b"through")
print(message, len(fds), os.read(fds[0], 10), os.get_inheritable(fds[0]))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
a.send(b"one"), a.send(b""), a.send(b"three")
print(b.recv(10), b.recv(10), b.recv(2))
b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
a.send(b"with")
data, anc, _, _ = b.recvmsg(10, socket.CMSG_SPACE(12))
print(data, [(level == socket.SOL_SOCKET, kind == socket.SCM_CREDENTIALS, struct.unpack("3i", d)[1:]) for level, kind, d in anc])
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0conformance-python")
print(abstract.getsockname())
pid = os.fork()
if pid == 0:
    a.send(b"from the child")
    os._exit(0)
print(b.recv(100), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for path, error in (("none", None), ("x" * 200, None)):
    try:
        socket.socket(socket.AF_UNIX).connect(path)
    except OSError as e:
        print(type(e).__name__)
