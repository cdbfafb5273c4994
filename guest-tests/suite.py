"""The list of tests, and how one is run: with a time-out, and with what its guests said when it fails."""

import signal
import time
import traceback

import harness
from harness import Failure, Guest

TESTS = []
FIGURES = []
SECONDS = []
# Tests that passed, or failed, at the second try only.
RETRIED = []
# Groups whose guests are made with Xen's own hotplug scripts. They take most of the time of `xl create`, and the guest sees no
# difference: all others use the testbed's short ones.
STOCK_HOTPLUG = ["example_tests", "figures"]


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


def attempt(timeout, function):
    """Runs a test's function; returns the reason why it failed, `None` if it passed."""
    del Guest.latest[:]
    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(timeout)
    try:
        function()
    except TimedOut:
        frames = "".join(traceback.format_exc(limit=-4))
        return f"not done within {timeout} s, at:\n{frames}"
    except Failure as failure:
        return str(failure)
    except Exception:
        lines = traceback.format_exc(limit=-4).strip().splitlines()
        return "\n".join([lines[-1], *lines])
    finally:
        signal.alarm(0)
    return None


def run_one(name, timeout, function):
    """Runs a test; returns whether it passed.

    A test that fails is run once more, on a dom0 without other guests: here everything is emulated on a machine that has
    other work too, and a time-out may be the machine's. That it was is told, with the whole report of the first failure.
    """
    started = time.monotonic()
    reason = attempt(timeout, function)
    if reason is not None:
        first, _, rest = reason.strip().replace(" ... ", " .. ").partition("\n")
        print(f"again {name}: {first} ({time.monotonic() - started:.1f} s)\n{rest}", flush=True)
        show_what_is_known()
        harness.destroy_all()
        RETRIED.append(name)
        reason = attempt(timeout, function)
    seconds = time.monotonic() - started
    SECONDS.append((seconds, name))
    if reason is not None:
        first, _, rest = reason.strip().replace(" ... ", " .. ").partition("\n")
        print(f"test {name} ... FAILED: {first} ({seconds:.1f} s)\n{rest}", flush=True)
        show_what_is_known()
    try:
        harness.destroy_all(but_shared=reason is None)
    except Failure as failure:
        reason = f"cleaning up: {failure}"
        print(f"test {name} ... FAILED: {reason}", flush=True)
    else:
        if reason is None:
            print(f"test {name} ... ok", flush=True)
    return reason is None


def print_slowest(count=8):
    if RETRIED:
        print("run twice: " + ", ".join(RETRIED))
    print("slowest: " + ", ".join(f"{name} {seconds:.1f} s" for seconds, name in sorted(SECONDS, reverse=True)[:count]))


def show_what_is_known():
    guests = Guest.latest or list(Guest.alive)
    for guest in guests[-3:]:
        print(f"---- console of {guest.name} ----")
        print("\n".join(guest.console().splitlines()[-40:]))
    for words in (("xl", "list"), ("xl", "dmesg")):
        try:
            _, text = harness.run(*words, strict=False)
        except harness.Failure as failure:
            # dom0 itself is in trouble; the tests go on all the same.
            text = str(failure)
        print(f"---- {' '.join(words)} ----")
        print("\n".join(text.splitlines()[-12:]))
    print("----", flush=True)


def run_all(pattern, without=None):
    """Runs the tests whose group or name has `pattern` in it, and nothing of `without`; returns how many passed and failed."""
    passed = failed = 0
    group = None
    for module, name, timeout, function in TESTS:
        if pattern and not any(part in f"{module}.{name}" for part in pattern.split(",")):
            continue
        if without and any(part in f"{module}.{name}" for part in without.split(",")):
            print(f"test {name} ... skipped: it does not depend on Xen's version, and is run on the other", flush=True)
            continue
        if module != group:
            harness.destroy_all()
            group = module
            harness.output("quick-hotplug", "off" if module in STOCK_HOTPLUG else "on")
        if run_one(name, timeout, function):
            passed += 1
        else:
            failed += 1
    harness.destroy_all()
    return passed, failed
