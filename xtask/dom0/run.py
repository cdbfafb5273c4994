"""Starts a guest and shows its console until it has gone. Usage: run.py NAME [SETTING...]"""

import sys
import time

from guest import Failed, Guest

try:
    guest = Guest(sys.argv[1], *sys.argv[2:])
except Failed as error:
    sys.exit(f"error: {error}")
print("== the guest runs", flush=True)
shown = 0
absent = 0
# While it reboots there is no domain for a moment.
while absent < 3:
    absent = 0 if guest.exists() else absent + 1
    text = guest.console()
    sys.stdout.write(text[shown:])
    sys.stdout.flush()
    shown = len(text)
    time.sleep(0.2)
print("== the guest has gone", flush=True)
