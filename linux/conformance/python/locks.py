"""fcntl from Python: flock, lockf between processes, dup, pipes' sizes, non-blocking flags."""
import errno
import fcntl
import os
import struct

f = open("lock", "w+")


def child(body):
    pid = os.fork()
    if pid == 0:
        try:
            body()
            os._exit(0)
        except OSError as e:
            os._exit(e.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return errno.errorcode.get(code, code)


fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
print(child(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)))
print(child(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 10)))
fcntl.lockf(f, fcntl.LOCK_UN)
print(child(lambda: fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB, 10)))
fcntl.flock(f, fcntl.LOCK_EX)
print(child(lambda: fcntl.flock(open("lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)))
print(child(lambda: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)))
query = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
print(struct.unpack("hhqqi", fcntl.fcntl(f, fcntl.F_GETLK, query))[0] == fcntl.F_UNLCK)
r, w = os.pipe()
print(os.get_blocking(r), os.set_blocking(r, False), os.get_blocking(r))
try:
    os.read(r, 1)
except BlockingIOError as e:
    print(errno.errorcode[e.errno])
copy = fcntl.fcntl(r, fcntl.F_DUPFD_CLOEXEC, 50)
print(copy, fcntl.fcntl(copy, fcntl.F_GETFD), os.get_blocking(copy), fcntl.fcntl(w, 1032))
