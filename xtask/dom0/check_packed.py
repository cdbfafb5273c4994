"""Looks at a packed guest with the clients of dom0. Usage: check_packed.py DOMAIN GUEST [SETTING...]

DOMAIN is the guest itself, or the Linux guest that runs the same root.
"""

import sys

import linux_clients
from guest import Failed, Guest, test

domain, name = sys.argv[1], sys.argv[2]
settings = sys.argv[3:]


def main():
    guest = Guest(domain, *settings)
    try:
        checks = linux_clients.checks(name, domain)
        if name != "bash":
            checks.append(("xl shutdown ends it cleanly", guest.shutdown))
        return all(test(f"{name}: {what}", check) for what, check in checks)
    finally:
        guest.show()
        guest.destroy()


try:
    sys.exit(0 if main() else 1)
except Failed as error:
    sys.exit(f"error: {error}")
