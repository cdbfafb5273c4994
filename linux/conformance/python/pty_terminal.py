"""pty, tty and termios: a child on a terminal, raw and cooked, window sizes, the master's end of file."""
import fcntl
import os
import pty
import select
import struct
import termios
import tty


def read_all(fd):
    out = b""
    while select.select([fd], [], [], 5)[0]:
        try:
            data = os.read(fd, 1000)
        except OSError as e:
            return out, e.errno
        if not data:
            return out, 0
        out += data
    return out, "timeout"


pid, fd = pty.fork()
if pid == 0:
    print(os.isatty(0), os.isatty(1), os.ttyname(0).startswith("/dev/pts/"), os.getsid(0) == os.getpid())
    print("echo " + input("prompt> "))
    os._exit(4)
prompt = b""
while not prompt.endswith(b"prompt> "):
    prompt += os.read(fd, 100)
print(prompt)
os.write(fd, b"typed\n")
print(*read_all(fd), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
m, s = pty.openpty()
fcntl.ioctl(s, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
print(os.get_terminal_size(s), struct.unpack("4H", fcntl.ioctl(m, termios.TIOCGWINSZ, b"\0" * 8)))
before = termios.tcgetattr(s)
tty.setraw(s)
os.write(m, b"\x03\r\x04")
print(os.read(s, 10), termios.tcgetattr(s)[3] & (termios.ICANON | termios.ECHO | termios.ISIG))
termios.tcsetattr(s, termios.TCSANOW, before)
os.write(m, b"ab\x7fc\n")
print(os.read(s, 10), os.read(m, 100), termios.tcgetattr(s) == before)
os.close(s)
print(read_all(m))
