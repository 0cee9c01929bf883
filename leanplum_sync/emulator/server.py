"""Running the application: in a thread for tests and embedded use, or in the foreground for the command line."""

from __future__ import annotations

import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from starlette.applications import Starlette

from leanplum_sync.emulator.errors import EmulatorError

HOST = "127.0.0.1"
_START_SECONDS = 30
_STOP_SECONDS = 2
_OBJECTS_BEFORE_LOOKING = 20_000


class _Server(uvicorn.Server):
    """A uvicorn server that signals when it is ready and restores the signal handlers."""

    def __init__(self, app: Starlette, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                server_header=False,
                date_header=False,  # told by the emulator's own clock
                proxy_headers=False,
                loop="asyncio",
                http="h11",
                lifespan="on",
                ws="none",
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again after a clean stop, which would end the process with an error.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def bound(port: int) -> socket.socket:
    """Return a socket on loopback; port 0 takes a free one."""
    # asyncio switches Nagle's delay off only where the protocol is named.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen(128)
    except (OSError, OverflowError) as error:
        found.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise EmulatorError(f"The emulator can't listen on {HOST}:{port}: {reason}.") from error
    return found


def url_of(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


@contextlib.contextmanager
def in_thread(app: Starlette, listening: socket.socket) -> Iterator[None]:
    ready = threading.Event()
    server = _Server(app, ready.set)
    thread = threading.Thread(target=server.run, args=([listening],), name="leanplum emulator", daemon=True)
    thread.start()
    try:
        if not ready.wait(_START_SECONDS):
            raise EmulatorError("The emulator did not start.")
        yield
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listening.close()


def in_foreground(app: Starlette, listening: socket.socket, on_ready: Callable[[], None]) -> None:
    # The emulator has this process to itself. Its initial objects stay, and requests create no cycles except in errors, so
    # there is little to collect: with the default threshold of 700 objects, the collector took a tenth of the time.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BEFORE_LOOKING, 20, 20)
    try:
        _Server(app, on_ready).run([listening])
    finally:
        listening.close()
