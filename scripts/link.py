#!/usr/bin/env python3
"""A TCP proxy in front of a local server that makes every connection as slow as one across regions.

    link.py PORT SOCKET MEGABYTES_PER_SECOND MILLISECONDS_EACH_WAY

Each direction of each connection has its own rate; what comes is passed on after the delay. Used by bench.py.
"""

import asyncio
import sys
import time

CHUNK = 64 << 10


async def pass_on(reader, writer, rate, delay):
    """Passes bytes on, each `delay` seconds after it has come, and no faster than `rate` bytes per second."""
    # As much as is on its way at this rate, and a little more: then the sender has to wait.
    queue = asyncio.Queue(max(4, int(2 * rate * delay / CHUNK)))

    async def take():
        free = 0.0
        while chunk := await reader.read(CHUNK):
            came = time.monotonic()
            # Whoever woke up a little late may make up for that.
            free = max(free, came - 0.01) + len(chunk) / rate
            await queue.put((max(free, came) + delay, chunk))
            await asyncio.sleep(max(0.0, free - time.monotonic()))
        await queue.put((0.0, b""))

    async def give():
        while True:
            due, chunk = await queue.get()
            if not chunk:
                return
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            writer.write(chunk)
            await writer.drain()

    taking = asyncio.create_task(take())
    try:
        await give()
    except OSError:
        pass
    finally:
        taking.cancel()
        writer.close()


async def main(port, path, megabytes, milliseconds):
    rate, delay = float(megabytes) * 1e6, float(milliseconds) / 1000

    async def connected(reader, writer):
        far_reader, far_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(pass_on(reader, far_writer, rate, delay), pass_on(far_reader, writer, rate, delay),
                             return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", int(port))
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
