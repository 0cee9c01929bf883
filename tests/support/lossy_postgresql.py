"""A way to a PostgreSQL server that is lost in the middle: after a given number of messages, as when the server is restarted."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg

_SOCKET = ".s.PGSQL.5432"
_CHUNK = 1 << 16


class Lossy:
    """
    Passes on what clients send, and counts it, one for each piece that arrives. After *last* pieces, it cuts all connections and
    accepts no more. *address* is that of the journal behind it.
    """

    def __init__(self, folder: Path, address: str) -> None:
        parts = psycopg.conninfo.conninfo_to_dict(address)
        self._server = str(Path(str(parts["host"])) / _SOCKET)
        self.address = address.replace(str(parts["host"]), str(folder))
        self.seen = 0
        self.last: int | None = None
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / _SOCKET))
        self._listener.listen()
        self._folder = folder
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_lost(self) -> bool:
        return self.last is not None and self.seen > self.last

    def begin(self, last: int | None = None) -> None:
        """Count from here on, and be lost after *last* pieces; None: never."""
        with self._lock:
            self.seen, self.last = 0, last

    def close(self) -> None:
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_lost:
                    client.close()
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._sockets += [client, server]
                for source, target, counts in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass_on, args=(source, target, counts), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(_CHUNK):
                if counts:
                    with self._lock:
                        self.seen += 1
                if self.is_lost:
                    break
                target.sendall(piece)
        if self.is_lost:
            self._cut()
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def lossy(address: str) -> Iterator[Lossy]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lps-lossy-"))
        found = Lossy(Path(folder), address)
        stack.callback(found.close)
        yield found
