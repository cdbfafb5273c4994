"""UDP from Python, and select over it."""
import select
import socket

a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
a.bind(("127.0.0.1", 0))
b.bind(("127.0.0.1", 0))
print(a.sendto(b"hello", b.getsockname()), b.recvfrom(10) == (b"hello", a.getsockname()))
print(select.select([a, b], [], [], 0.01))
for i in range(5):
    a.sendto(bytes([i]) * (i + 1), b.getsockname())
print(select.select([a, b], [], [], 5)[0] == [b], [b.recv(3) for _ in range(5)])
a.connect(b.getsockname())
print(a.send(b"x"), a.getpeername() == b.getsockname(), b.recvmsg(10)[0], b.recv_into(bytearray(5), 0, socket.MSG_DONTWAIT) if a.send(b"yz") and select.select([b], [], [], 5) else None)
m = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
m.bind(("::1", 0))
m.sendto(b"self", m.getsockname())
print(m.recv(10), m.getsockname()[0])
