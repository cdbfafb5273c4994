"""signal: handlers in the main thread, alarm, itimer, pause, sigwait, masks, wake-up descriptors, interrupted calls."""
import os
import select
import signal
import threading
import time

got = []
signal.signal(signal.SIGUSR1, lambda n, f: got.append(signal.Signals(n).name))
os.kill(os.getpid(), signal.SIGUSR1)
print(got)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
ticks = 0


def tick(n, f):
    global ticks
    ticks += 1
    if ticks == 5:
        signal.setitimer(signal.ITIMER_REAL, 0)


signal.signal(signal.SIGALRM, tick)
while ticks < 5:
    signal.pause()
print("ticks", ticks)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
print(signal.sigpending(), signal.sigwait([signal.SIGUSR1]).name)
print(signal.sigtimedwait([signal.SIGUSR1], 0.01))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
start = time.monotonic()
threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
time.sleep(0.1)
print(time.monotonic() - start >= 0.1, len(got))


class Stop(Exception):
    pass


def stop(n, f):
    raise Stop


signal.signal(signal.SIGALRM, stop)
for call in (lambda: time.sleep(10), lambda: os.read(os.pipe()[0], 1), lambda: select.select([], [], [], 10), lambda: threading.Event().wait(10)):
    signal.setitimer(signal.ITIMER_REAL, 0.03)
    try:
        call()
    except Stop:
        print("stopped")
r, w = os.pipe()
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
os.kill(os.getpid(), signal.SIGUSR1)
print(os.read(r, 10)[0] == signal.SIGUSR1)
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, signal.SIGRTMIN, signal.SIGRTMAX, len(signal.valid_signals()))
try:
    signal.signal(signal.SIGKILL, tick)
except OSError as e:
    print(e.errno)
