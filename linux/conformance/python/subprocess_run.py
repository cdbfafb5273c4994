"""subprocess: pipes both ways, time-outs, errors, sessions, many children, descriptors passed and closed."""
import os
import subprocess
import sys

run = subprocess.run
print(run(["echo", "hi"], capture_output=True))
print(run("echo out; echo err >&2; exit 3", shell=True, capture_output=True, text=True))
print(run(["cat"], input=b"x" * 200000, capture_output=True).stdout == b"x" * 200000)
try:
    run(["sleep", "5"], timeout=0.1)
except subprocess.TimeoutExpired as e:
    print("timed out", e.cmd)
for argv in (["/no/such"], ["/"]):
    try:
        run(argv)
    except OSError as e:
        print(type(e).__name__)
try:
    subprocess.check_call(["false"])
except subprocess.CalledProcessError as e:
    print(e.returncode)
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
for i in range(3):
    p.stdin.write(f"line {i}\n")
    print(p.stdout.readline().strip())
p.stdin.close()
print(p.wait())
p = subprocess.Popen(["sleep", "9"])
p.terminate()
print(p.wait(), p.poll())
first = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
second = subprocess.Popen(["tail", "-n", "1"], stdin=first.stdout, stdout=subprocess.PIPE)
first.stdout.close()
print(second.communicate()[0], first.wait())
r, w = os.pipe()
print(run(["sh", "-c", f"echo passed >&{w}"], pass_fds=[w]).returncode, os.read(r, 20))
print(run(["sh", "-c", f"echo closed >&{w}"], stderr=subprocess.DEVNULL).returncode)
print(run([sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid(), os.getcwd())"], start_new_session=True, cwd="/", capture_output=True).stdout)
print(run(["sh", "-c", "echo $A"], env={"A": "env"}, capture_output=True).stdout, run(["id", "-u"], user=1234, capture_output=True).stdout)
print(sum(q.wait() for q in [subprocess.Popen(["sh", "-c", f"exit {i}"]) for i in range(12)]))
