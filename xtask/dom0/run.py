"""Starts a guest and shows its console until it ends. Usage: run.py NAME [SETTING...]

The exit code is 0 if it powered off, 1 if it did anything else.
"""

import sys
import time

from guest import Failed, Guest

# In the words of Xen's public/sched.h.
REASONS = {0: "has powered off", 1: "has rebooted", 2: "is suspended", 3: "has crashed"}


def main():
    guest = Guest(sys.argv[1], *sys.argv[2:])
    print("== the guest runs", flush=True)
    shown = 0
    absent = 0
    # While it reboots there is no domain for a moment.
    while absent < 3:
        absent = 0 if guest.exists() and not guest.is_dead() else absent + 1
        text = guest.console()
        sys.stdout.write(text[shown:])
        sys.stdout.flush()
        shown = len(text)
        time.sleep(0.2)
    reason = guest.reason()
    print(f"== the guest {REASONS.get(reason, f'ended with reason {reason}')}", flush=True)
    return 0 if reason == 0 else 1


try:
    sys.exit(main())
except Failed as error:
    sys.exit(f"error: {error}")
