"""time, datetime, random and secrets: clocks that agree, sleeping long enough, fixed conversions."""
import datetime
import os
import random
import secrets
import time

a = time.monotonic()
time.sleep(0.02)
print(time.monotonic() - a >= 0.02, abs(time.time() - datetime.datetime.now().timestamp()) < 1, time.time_ns() > 1.6e18)
p = time.process_time()
while time.process_time() - p < 0.03:
    pass
print(time.perf_counter() > 0, time.thread_time() > 0, time.clock_getres(time.CLOCK_MONOTONIC))
print(time.gmtime(1e9)[:6], time.strftime("%F %T", time.gmtime(0)), datetime.datetime.fromtimestamp(86400, datetime.timezone.utc).isoformat())
print(os.urandom(16) != os.urandom(16), len(secrets.token_bytes(32)), random.Random(5).randint(0, 10**9), len(os.getrandom(10)))
os.environ["TZ"] = "EST5EDT,M3.2.0,M11.1.0"
time.tzset()
print(time.localtime(1e9)[:6], time.tzname, time.localtime(1e9).tm_isdst)
stamps = [time.monotonic_ns() for _ in range(10000)]
print(stamps == sorted(stamps))
