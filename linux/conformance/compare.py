#!/usr/bin/env python3
"""Compares two runs of the conformance suite: the reference (Linux) and the guest.

usage: compare.py [--differs FILE] [--expect NAME.out]... REFERENCE ACTUAL

A run is a directory of NAME.out files, or a console log of `run.sh --console` (other lines in it are passed over).
Prints `test NAME ... ok` or `test NAME ... FAILED: what differs first`; a summary last; ends with 1 if anything failed.

NAME.out is what a program has to print that the reference has not run.

differs.txt lists the programs whose difference is meant: a name, white space, the reason. The list is exact: a program in
it that does not differ is a failure, as is a name that no run knows.
"""

import os
import re
import sys


def load_output(path):
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "replace").splitlines()


def load_directory(path):
    names = [entry for entry in sorted(os.listdir(path)) if entry.endswith(".out")]
    return {name[:-4]: load_output(os.path.join(path, name)) for name in names}


def load_console(path):
    """`@@ NAME`, lines after `| `, `@@ NAME exit N`. A program without its end has only what came until then."""
    runs, lines = {}, None
    with open(path, "rb") as file:
        for raw in file.read().decode("utf-8", "replace").replace("\r", "").split("\n"):
            if begin := re.search(r"@@ ([\w.-]+)$", raw):
                lines = runs.setdefault(begin.group(1), [])
            elif re.search(r"@@ ([\w.-]+) exit \d+$", raw):
                lines = None
            elif lines is not None and raw.startswith("| "):
                lines.append(raw[2:])
    return runs


def load(path):
    return load_directory(path) if os.path.isdir(path) else load_console(path)


def load_differs(path):
    differs = {}
    if not os.path.exists(path):
        return differs
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            name, _, reason = line.partition(" ")
            if not reason.strip():
                sys.exit(f"{path}:{number}: {name} has no reason")
            differs[name] = reason.strip()
    return differs


def first_difference(reference, actual):
    for number, (want, got) in enumerate(zip(reference, actual), 1):
        if want != got:
            return f"line {number}: Linux has `{want}`, this has `{got}`"
    if len(actual) < len(reference):
        return f"line {len(actual) + 1}: Linux has `{reference[len(actual)]}`, this has ended"
    if len(actual) > len(reference):
        return f"line {len(reference) + 1}: Linux has ended, this has `{actual[len(reference)]}`"
    return None


def by_key(lines):
    """The lines of a hostile program, each a result of its own: `key: result`."""
    return dict(line.partition(": ")[::2] for line in lines)


def absent(result):
    """A call that has no implementation; what it was given does not matter then."""
    return all(word.endswith("=ENOSYS") for word in result.split())


def split_hostile(runs, reference):
    """Makes each line of hostile.NAME a program of its own, hostile.NAME/KEY."""
    split = {}
    for name, lines in runs.items():
        if not name.startswith("hostile."):
            split[name] = lines
            continue
        expected = by_key(reference.get(name, []))
        for key, result in by_key(lines).items():
            if absent(result) and key in expected and not absent(expected[key]):
                print(f"note: {name}/{key}: not implemented")
                result = expected[key]
            split[f"{name}/{key}"] = [result]
    return split


def main(arguments):
    differs_path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differs.txt")
    if arguments[:1] == ["--differs"] and len(arguments) > 1:
        differs_path, arguments = arguments[1], arguments[2:]
    expected = {}
    while arguments[:1] == ["--expect"] and len(arguments) > 1:
        expected[os.path.basename(arguments[1])[:-4]] = load_output(arguments[1])
        arguments = arguments[2:]
    if len(arguments) != 2:
        sys.exit(__doc__)
    reference, actual = load(arguments[0]) | expected, load(arguments[1])
    if not reference:
        sys.exit(f"{arguments[0]}: no results")
    actual, reference = split_hostile(actual, reference), split_hostile(reference, reference)
    differs = load_differs(differs_path)

    passed = explained = 0
    failures = []
    for name in sorted(reference.keys() | actual.keys()):
        if name not in reference:
            problem = "Linux has not run it"
        elif name not in actual:
            problem = "it has not run"
        else:
            problem = first_difference(reference[name], actual[name])
        if problem is None and name in differs:
            problem = "it no longer differs: take it out of differs.txt"
        elif problem is not None and name in differs and name in reference and name in actual:
            explained += 1
            print(f"test {name} ... ok (differs: {differs[name]})")
            continue
        if problem is None:
            passed += 1
            print(f"test {name} ... ok")
        else:
            failures.append(name)
            print(f"test {name} ... FAILED: {problem}")
    # With a part of the suite, an entry for a program that was not asked for says nothing.
    families = {name.split(".")[0] for name in reference}
    for name in sorted(differs.keys() - reference.keys() - actual.keys()):
        if name.split(".")[0] in families:
            failures.append(name)
            print(f"test {name} ... FAILED: differs.txt names it, and it does not exist")
    print(f"conformance: {passed} ok, {explained} differ as explained, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
