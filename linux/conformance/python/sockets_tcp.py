"""TCP servers and clients with the socket and socketserver modules, threads on both sides, IPv4 and IPv6."""
import socket
import socketserver
import threading


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True


with Server(("127.0.0.1", 0), Upper) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answers = [None] * 10

    def client(n):
        with socket.create_connection(server.server_address, timeout=5) as s:
            f = s.makefile("rwb")
            f.write(f"client {n}\nagain\n".encode())
            f.flush()
            answers[n] = f.readline() + f.readline()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(10)]
    [t.start() for t in threads], [t.join() for t in threads]
    print(answers)
    server.shutdown()
l = socket.create_server(("::1", 0), family=socket.AF_INET6)
c = socket.create_connection(l.getsockname()[:2])
s, address = l.accept()
print(address[0], s.family.name, c.getpeername()[0])
data = bytes(range(256)) * 4000
t = threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR)))
t.start()
got = b""
while chunk := s.recv(60000):
    got += chunk
t.join()
print(got == data, len(got))
s.settimeout(0.02)
d = socket.create_connection(l.getsockname()[:2])
e, _ = l.accept()
e.settimeout(0.02)
try:
    e.recv(1)
except TimeoutError as x:
    print(type(x).__name__)
port = l.getsockname()[1]
l.close()
try:
    socket.create_connection(("::1", port))
except ConnectionRefusedError as x:
    print(x.errno)
e.setblocking(False)
try:
    e.recv(1)
except BlockingIOError as x:
    print(x.errno)
d.close()
e.setblocking(True)
print(e.recv(1), e.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE), socket.gethostname() != "", socket.if_nameindex()[0])
