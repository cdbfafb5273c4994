"""http.server and urllib over loopback, in threads: files, HEAD, 404, a post, many requests."""
import http.client
import http.server
import os
import threading
import urllib.error
import urllib.request


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[::-1])

    def log_message(self, *arguments):
        pass


open("page.txt", "w").write("served\n" * 1000)
os.mkdir("dir")
with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    with urllib.request.urlopen(base + "/page.txt") as r:
        print(r.status, r.headers["Content-Length"], r.headers["Content-Type"], len(r.read()))
    try:
        urllib.request.urlopen(base + "/none")
    except urllib.error.HTTPError as e:
        print(e.code)
    print(urllib.request.urlopen(base + "/echo", data=b"posted").read(), b"page.txt" in urllib.request.urlopen(base + "/").read())
    c = http.client.HTTPConnection("127.0.0.1", server.server_port)
    c.request("HEAD", "/page.txt")
    r = c.getresponse()
    print(r.status, r.read())
    results = []
    threads = [threading.Thread(target=lambda: results.append(sum(len(urllib.request.urlopen(base + "/page.txt").read()) for _ in range(5)))) for _ in range(6)]
    [t.start() for t in threads], [t.join() for t in threads]
    print(results)
    server.shutdown()
