"""fork, wait and exec from Python; exit codes and signals of children."""
import os
import signal
import sys


def child(body):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(77)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


print(child(lambda: os._exit(3)))
print(child(lambda: os.kill(os.getpid(), signal.SIGKILL)))
print(child(lambda: os.abort()))
print(child(lambda: os.execv("/bin/sh", ["sh", "-c", "exit 9"])))
print(child(lambda: os.execvpe("sh", ["sh", "-c", "exit $CODE"], {"CODE": "11", "PATH": "/bin"})))
r, w = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(r)
    os.write(w, f"{os.getppid() != os.getpid()}".encode())
    os._exit(0)
os.close(w)
print(os.read(r, 100), os.read(r, 100))
info = os.waitid(os.P_PID, pid, os.WEXITED)
print(info.si_pid == pid, info.si_status, info.si_code == os.CLD_EXITED)
try:
    os.wait()
except ChildProcessError as e:
    print(type(e).__name__)
print(os.waitstatus_to_exitcode(os.system("exit 4")), os.popen("echo popen").read().strip())
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 6"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
