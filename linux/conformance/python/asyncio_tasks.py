"""asyncio: streams, subprocesses, signals, time-outs, threads; the loop over epoll and a self-pipe."""
import asyncio
import os
import signal


async def echo(reader, writer):
    while data := await reader.readline():
        writer.write(data[::-1].strip() + b"\n")
        await writer.drain()
    writer.close()


async def ask(port, text):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode() + b"\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return answer.decode().strip()


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(ask(port, f"task {i}") for i in range(10))))
    server.close()
    p = await asyncio.create_subprocess_exec("sh", "-c", "read x; echo got $x; exit 3", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print(await p.communicate(b"input\n"), p.returncode)
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.02)
    except (asyncio.TimeoutError, TimeoutError):
        print("timed out")
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await done.wait()
    print("signalled", await asyncio.to_thread(lambda: 6 * 7))
    order = []

    async def step(n):
        await asyncio.sleep(n / 20)
        order.append(n)

    await asyncio.gather(*(step(n) for n in (3, 1, 2)))
    print(order)


asyncio.run(main())
