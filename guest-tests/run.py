#!/usr/bin/env python3
"""The tests of guests on real Xen, run inside dom0: `python3 /host/guest-tests/run.py [--xen V] [--only PATTERN]`.

/host holds NAME.gz and NAME.cfg of each example, site.img and bigsite.img (ext4), and site/, the tree in site.img; and NAME.cfg of
each packed guest, with its files in NAME/.
"""

import argparse
import os
import shutil
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402
import suite  # noqa: E402

GROUPS = ["example_tests", "http_tests", "net_tests", "tcp_tests", "router_tests", "disk_tests", "hotplug_tests", "life_tests", "crash_tests", "bad_input_tests",
          "linux_tests", "console_tests", "vchan_tests", "xen_tests", "tap_tests", "figures"]
# On a machine of their own; these are run where `--only` begins with their name.
NAMED = ["stubdom_tests"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--xen", help="the version that the host is supposed to have")
    parser.add_argument("--only", help="run the tests whose group.name contains one of these words (comma)")
    parser.add_argument("--without", help="leave out the tests whose group.name contains one of these words (comma), by name")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    options = parser.parse_args()
    for group in GROUPS + [group for group in NAMED if (options.only or "").startswith(group)]:
        __import__(group)
    if options.list:
        for module, name, _, _ in suite.TESTS:
            print(f"{module}.{name}")
        return 0
    shutil.rmtree(harness.SCRATCH, ignore_errors=True)
    info = harness.output("xl", "info")
    version = next(line.split(":")[1].strip() for line in info.splitlines() if line.startswith("xen_version"))
    print(f"Xen {version}", flush=True)
    started = time.monotonic()
    passed, failed = suite.run_all(options.only, options.without)
    if options.xen and not version.startswith(options.xen):
        print(f"this is Xen {version}, not {options.xen}")
        failed += 1
    suite.print_slowest()
    print(f"{time.monotonic() - started:.0f} s in all")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
