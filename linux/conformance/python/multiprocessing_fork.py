"""multiprocessing with fork: pools, queues, pipes, locks, shared values and memory, events."""
import multiprocessing as mp
import os
from multiprocessing import shared_memory


def square(x):
    return x * x


def work(q, lock, value, n):
    for _ in range(100):
        with lock:
            value.value += 1
    q.put((n, os.getpid() != os.getppid()))


if __name__ == "__main__":
    mp.set_start_method("fork")
    with mp.Pool(3) as pool:
        print(pool.map(square, range(10)), pool.apply(square, (12,)))
    q, lock, value = mp.Queue(), mp.Lock(), mp.Value("i", 0)
    processes = [mp.Process(target=work, args=(q, lock, value, n)) for n in range(4)]
    [p.start() for p in processes]
    print(sorted(q.get() for _ in processes))
    [p.join() for p in processes]
    print(value.value, [p.exitcode for p in processes])
    a, b = mp.Pipe()
    p = mp.Process(target=lambda: b.send({"list": list(range(1000)), "text": "x" * 100000}))
    p.start()
    got = a.recv()
    p.join()
    print(len(got["list"]), len(got["text"]))
    event = mp.Event()
    p = mp.Process(target=lambda: event.wait(5) and os._exit(8))
    p.start()
    event.set()
    p.join()
    print(p.exitcode)
    shm = shared_memory.SharedMemory(create=True, size=4096)
    p = mp.Process(target=lambda: shm.buf.__setitem__(0, 55))
    p.start(), p.join()
    print(shm.buf[0])
    shm.close()
    shm.unlink()
    p = mp.Process(target=lambda: event.clear() or event.wait(60))
    p.start()
    p.terminate()
    p.join()
    print(p.exitcode, mp.cpu_count() >= 1)
