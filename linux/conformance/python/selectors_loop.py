"""selectors with epoll, poll and select: the same small echo server in each."""
import selectors
import socket

for kind in (selectors.EpollSelector, selectors.PollSelector, selectors.SelectSelector):
    with kind() as sel:
        l = socket.create_server(("127.0.0.1", 0))
        l.setblocking(False)
        sel.register(l, selectors.EVENT_READ, "listen")
        clients = [socket.create_connection(l.getsockname()) for _ in range(5)]
        for i, c in enumerate(clients):
            c.sendall(b"message %d" % i)
        echoed = 0
        while echoed < 5:
            for key, events in sel.select(5):
                if key.data == "listen":
                    try:
                        s, _ = l.accept()
                    except BlockingIOError:
                        continue
                    s.setblocking(False)
                    sel.register(s, selectors.EVENT_READ, "echo")
                else:
                    key.fileobj.sendall(key.fileobj.recv(100)[::-1])
                    echoed += 1
                    sel.unregister(key.fileobj)
                    key.fileobj.close()
        print(kind.__name__, [c.recv(100) for c in clients], len(sel.get_map()), sel.select(0))
