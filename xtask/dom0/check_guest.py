"""Starts a guest that ends by itself and looks for its verdict. Usage: check_guest.py NAME [SETTING...]"""

import sys

from guest import Failed, Guest, test

name = sys.argv[1]


def verdict():
    guest = Guest(name, *sys.argv[2:])
    try:
        guest.wait_gone(limit=120)
        guest.show()
        lines = [line for line in guest.console().splitlines() if line.strip()]
        if not lines or lines[-1] != "SUCCESS":
            raise Failed(f"the last line is not SUCCESS but `{lines[-1] if lines else ''}`")
        if guest.reason() != 0:
            raise Failed(f"shutdown reason {guest.reason()} and not 0 (poweroff)")
    finally:
        guest.show()
        guest.destroy()


sys.exit(0 if test(f"{name} says SUCCESS and powers off", verdict) else 1)
