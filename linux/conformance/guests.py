"""Runs the conformance suite in two guests that have the same root disk, one with Linux and one with our kernel, and compares what
their consoles say. Runs in dom0.

Usage: guests.py [NAME...]        the programs, or families as `files.`; all of them without a name
Needs /host/conformance.cfg and /host/conformance-linux.cfg; compare.py, differs.txt and alone/ beside this file.
"""

import os
import re
import subprocess
import sys
import time

import compare

HERE = os.path.dirname(os.path.abspath(__file__))
LOGS = "/var/log/xen"
# Seconds without a new line after which a guest counts as stuck; beyond what its longest program may take.
PATIENCE = 60
# Seconds that a program may take, where nothing else is said (run.sh).
LIMIT = 30


def with_words(config, words):
    """The configuration with more arguments for the program."""
    lines = []
    with open(config) as file:
        for line in file:
            if line.startswith("cmdline = "):
                line = line.rstrip()[:-1] + "".join(f" {word}" for word in words) + '"\n'
            lines.append(line)
    path = f"/tmp/{os.path.basename(config)}"
    with open(path, "w") as file:
        file.writelines(lines)
    return path


def is_there(name):
    return subprocess.run(["xl", "domid", name], capture_output=True, check=False).returncode == 0


def run(name, words, limit=LIMIT):
    """Runs a guest to its end and returns the log of its console. Arguments for run.sh; the seconds that one program may take."""
    log = f"{LOGS}/guest-{name}.log"
    if os.path.exists(log):
        os.truncate(log, 0)
    started = time.monotonic()
    done = subprocess.run(["xl", "create", "-q", with_words(f"/host/{name}.cfg", words)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"test {name} starts ... FAILED: {' '.join(done.stderr.split())[-300:]}", flush=True)
        return log
    size, last = 0, time.monotonic()
    while is_there(name):
        time.sleep(0.3)
        now = os.path.getsize(log) if os.path.exists(log) else 0
        if now != size:
            size, last = now, time.monotonic()
        with open(log, "rb") as file:
            file.seek(max(0, size - 4096))
            if b" programs run" in file.read():
                break
        if time.monotonic() - last > limit + PATIENCE:
            print(f"test {name} goes on ... FAILED: no line for {limit + PATIENCE} s", flush=True)
            break
    subprocess.run(["xl", "destroy", name], capture_output=True, check=False)
    print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
    return log


def what_else(log):
    """Lines of our kernel, which come between those of the programs."""
    with open(log, errors="replace") as file:
        for line in file:
            if re.match(r"\[ *\d+\.\d+\] (ERROR|WARN)|PANIC|CRASH", line):
                print(f"  {line.rstrip()}", flush=True)


def reference(names):
    """The log of Linux's console. What Linux says of the whole suite is kept beside the root disk, and holds as long as that is the
    same: a second Xen in the same tests need not ask again."""
    kept, root = "/host/conformance-linux.log", "/host/conformance/root.img"
    if not names and os.path.exists(kept) and os.path.getmtime(kept) > os.path.getmtime(root):
        print("Linux has run these programs before", flush=True)
        return kept
    log = run("conformance-linux", names)
    with open(log, "rb") as file:
        text = file.read()
    if not names and b" programs run" in text:
        with open(kept, "wb") as file:
            file.write(text)
    return log


def alone(names):
    """The programs that only our guest runs, of those asked for, with the seconds that each may take."""
    with open(f"{HERE}/alone/programs.txt") as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    is_wanted = lambda row: not names or any(row[0] == name or name[-1] == "." and row[0].startswith(name) for name in names)
    return {row[0]: int(row[1]) for row in rows if is_wanted(row)}


def main():
    names = sys.argv[1:]
    only_ours = alone(names)
    linux = reference(names)
    ours = run("conformance", ["--alone"] + names, max([LIMIT, *only_ours.values()]))
    what_else(ours)
    expected = [word for name in only_ours for word in ("--expect", f"{HERE}/alone/{name}.out")]
    return compare.main(["--differs", f"{HERE}/differs.txt", *expected, linux, ours])


sys.exit(main())
