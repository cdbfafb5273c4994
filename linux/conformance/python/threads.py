"""threading: locks, conditions, events, queues, local data, timers, a pool; the lock of the interpreter handed around."""
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

total, lock = 0, threading.Lock()


def add():
    global total
    for _ in range(5000):
        with lock:
            total += 1


threads = [threading.Thread(target=add) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(total)
q, out = queue.Queue(4), []


def consume():
    while (item := q.get()) is not None:
        out.append(item * item)
        q.task_done()


t = threading.Thread(target=consume)
t.start()
for i in range(100):
    q.put(i)
q.join()
q.put(None)
t.join()
print(sum(out), out[:4])
event = threading.Event()
print(event.wait(0.02))
threading.Timer(0.02, event.set).start()
print(event.wait(5))
barrier, order = threading.Barrier(5), []
local = threading.local()


def meet(n):
    local.value = n
    order.append(barrier.wait() in range(5) and local.value == n)


threads = [threading.Thread(target=meet, args=(i,)) for i in range(5)]
[t.start() for t in threads], [t.join() for t in threads]
print(order)
with ThreadPoolExecutor(6) as pool:
    print(sum(pool.map(lambda x: x * 2, range(200))), list(pool.map(lambda x: time.sleep(0.001 * (5 - x)) or x, range(5))))
print(lock.acquire(timeout=0.01), lock.acquire(timeout=0.01), threading.active_count())
semaphore = threading.BoundedSemaphore(2)
print(semaphore.acquire(), semaphore.acquire(), semaphore.acquire(blocking=False))
spinning = True


def spin():
    while spinning:
        pass


t = threading.Thread(target=spin)
t.start()
start = time.monotonic()
for _ in range(20):
    time.sleep(0.001)
spinning = False
t.join()
print(time.monotonic() - start < 10)
