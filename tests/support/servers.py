"""Servers in their own processes, so that measurements exclude them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import signal
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import orjson

from leanplum_sync import emulator
from leanplum_sync.wire.limits import USERS_PER_BATCH


def serve_emulator(ready: Pipe, *seeds: str) -> None:
    """Serve as ``leanplum-sync emulator`` does."""
    threading.Thread(target=lambda: (ready.recv(), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
    emulator.serve(port=0, on_ready=ready.send, seeds=[Path(seed) for seed in seeds])


def serve_nothing(ready: Pipe, after_seconds: float = 0.0) -> None:
    """Answer every request after *after_seconds* with a batch of successes, so that only the client's own work is measured."""
    body = orjson.dumps({"response": [{"success": True}] * USERS_PER_BATCH})
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )

    async def converse(reader: StreamReader, writer: StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while head := await reader.readuntil(b"\r\n\r\n"):
            due = loop.time() + after_seconds
            length = re.search(rb"(?i)content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            if after_seconds:
                await asyncio.sleep(due - loop.time())
            writer.write(answer)

    answer_with(converse, ready)


def answer_with(
    converse: Callable[[StreamReader, StreamWriter], Coroutine[Any, Any, None]], ready: Pipe
) -> None:
    """Serve on loopback, with *converse* for each connection. Send the address to *ready*, and end when it says so."""

    async def main() -> None:
        def silently(reader: StreamReader, writer: StreamWriter) -> None:
            task = asyncio.ensure_future(converse(reader, writer))
            tasks.add(task)
            task.add_done_callback(lambda done: (tasks.discard(done), done.exception()))

        tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(silently, "127.0.0.1", 0)
        ready.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await asyncio.to_thread(ready.recv)

    asyncio.run(main())


@contextmanager
def in_a_process(serve: Callable[..., None], *arguments: float | str) -> Iterator[tuple[str, int]]:
    """Yield the address and the process id."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, *arguments))
    process.start()
    try:
        assert ours.poll(300)  # seconds; it may have many users to take in
        yield ours.recv(), process.pid or 0
        ours.send("enough")
        process.join(30)
    finally:
        process.kill()
