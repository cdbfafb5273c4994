"""The list of tests, and how one is run: with a time-out, and with what its guests said when it fails."""

import signal
import time
import traceback

import harness
from harness import Failure, Guest

TESTS = []
FIGURES = []
SECONDS = []


def test(timeout=60):
    """Makes a function a test; its module is its group."""
    def register(function):
        TESTS.append((function.__module__, function.__name__, timeout, function))
        return function
    return register


def figure(name, value, unit):
    """Something measured."""
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    FIGURES.append((name, text, unit))
    print(f"figure {name} {text} {unit}", flush=True)


class TimedOut(BaseException):
    """Not an Exception, so that no test takes it for an error of a connection."""


def on_alarm(*_):
    raise TimedOut


def run_one(name, timeout, function):
    """Runs a test; returns whether it passed."""
    started = time.monotonic()
    del Guest.latest[:]
    reason = None
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(timeout)
    try:
        function()
    except TimedOut:
        frames = "".join(traceback.format_exc(limit=-4))
        reason = f"not done within {timeout} s, at:\n{frames}"
    except Failure as failure:
        reason = str(failure)
    except Exception:
        lines = traceback.format_exc(limit=-4).strip().splitlines()
        reason = "\n".join([lines[-1], *lines])
    finally:
        signal.alarm(0)
    seconds = time.monotonic() - started
    SECONDS.append((seconds, name))
    if reason is None:
        print(f"test {name} ... ok", flush=True)
    else:
        first, _, rest = reason.strip().replace(" ... ", " .. ").partition("\n")
        print(f"test {name} ... FAILED: {first} ({seconds:.1f} s)\n{rest}", flush=True)
        show_what_is_known()
    try:
        harness.destroy_all(but_shared=reason is None)
    except Failure as failure:
        print(f"test {name} ... FAILED: cleaning up: {failure}", flush=True)
        return False
    return reason is None


def print_slowest(count=8):
    print("slowest: " + ", ".join(f"{name} {seconds:.1f} s" for seconds, name in sorted(SECONDS, reverse=True)[:count]))


def show_what_is_known():
    guests = Guest.latest or list(Guest.alive)
    for guest in guests[-3:]:
        print(f"---- console of {guest.name} ----")
        print("\n".join(guest.console().splitlines()[-40:]))
    for words in (("xl", "list"), ("xl", "dmesg")):
        _, text = harness.run(*words, strict=False)
        print(f"---- {' '.join(words)} ----")
        print("\n".join(text.splitlines()[-12:]))
    print("----", flush=True)


def run_all(pattern):
    """Runs the tests whose group or name has `pattern` in it; returns how many passed and failed."""
    passed = failed = 0
    group = None
    for module, name, timeout, function in TESTS:
        if pattern and not any(part in f"{module}.{name}" for part in pattern.split(",")):
            continue
        if module != group:
            harness.destroy_all()
            group = module
        if run_one(name, timeout, function):
            passed += 1
        else:
            failed += 1
    harness.destroy_all()
    return passed, failed
