"""A server that answers whatever a test tells it to, and worse."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from leanplum_sync.client.credentials import Connection, KeyClass, Keys
from leanplum_sync.client.http import HttpTransport

Behaviour = Callable[[socket.socket, bytes], None]


class Misbehaving:
    """Does what it was told, once per request and the last for all that follow; *requests* holds what came in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[bytes] = []
        self.connections = 0
        self._plan: list[Behaviour] = [_silent]

    def does(self, *what: str | tuple[int, bytes] | tuple[int, bytes, str]) -> None:
        """Each is a name below, or a status, a body and perhaps a header."""
        self._plan = [_NAMED[each] if isinstance(each, str) else _answer(*each) for each in what]

    def next(self) -> Behaviour:
        return self._plan[0] if len(self._plan) == 1 else self._plan.pop(0)


def _answer(status: int, body: bytes, *headers: str) -> Behaviour:
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return lambda peer, _: peer.sendall("\r\n".join([*head, "", ""]).encode() + body)


def _hang_up(peer: socket.socket, _: bytes) -> None:
    peer.shutdown(socket.SHUT_RDWR)


def _reset(peer: socket.socket, _: bytes) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def _cut_off(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"response":[')
    peer.shutdown(socket.SHUT_RDWR)


def _silent(peer: socket.socket, _: bytes) -> None:
    pass


def _nonsense(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"\x00\x01 what?\r\n\r\n")
    peer.shutdown(socket.SHUT_RDWR)


def _cut_off_late(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150_000)
    peer.shutdown(socket.SHUT_RDWR)


def _drip(peer: socket.socket, _: bytes) -> None:
    """Answer a byte at a time: never a pause that a timeout between two bytes would see."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"x" * 200:
        peer.sendall(bytes([byte]))
        time.sleep(0.02)


def _drip_chunks(peer: socket.socket, _: bytes) -> None:
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        peer.sendall(b"1\r\nx\r\n")
        time.sleep(0.02)
    peer.sendall(b"0\r\n\r\n")


_NAMED = {
    "drips": _drip,
    "drips chunks": _drip_chunks,
    "hangs up": _hang_up,
    "resets": _reset,
    "cuts off": _cut_off,
    "cuts off late": _cut_off_late,
    "is silent": _silent,
    "talks nonsense": _nonsense,
    "sends bad gzip": _answer(200, b"not gzip at all", "Content-Encoding: gzip"),
}


class Watch:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def new_id(self) -> str:
        return "0" * 32


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def app(watch: Watch, misbehaving: Misbehaving) -> Iterator[tuple[Connection, Keys, HttpTransport, Watch]]:
    """What readers and writers are made of, pointed at the misbehaving server."""
    keys = Keys.of(dict.fromkeys(KeyClass, "prod_hunter2"))
    with HttpTransport(is_local=True, read_timeout_seconds=5) as transport:
        yield Connection(misbehaving.url, "app_x"), keys, transport, watch


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Misbehaving(f"http://127.0.0.1:{listening.getsockname()[1]}")
        peers: list[socket.socket] = []
        acceptor = threading.Thread(target=_accept, args=(listening, server, peers))
        acceptor.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for peer in peers:
            peer.close()


def _accept(listening: socket.socket, server: Misbehaving, peers: list[socket.socket]) -> None:
    while True:
        try:
            peer, _ = listening.accept()
        except OSError:
            return
        server.connections += 1
        peers.append(peer)
        threading.Thread(target=_serve, args=(peer, server), daemon=True).start()


def _serve(peer: socket.socket, server: Misbehaving) -> None:
    try:
        while request := _read_request(peer):
            server.requests.append(request)
            server.next()(peer, request)
    except OSError:
        pass


def _read_request(peer: socket.socket) -> bytes:
    content = b""
    while b"\r\n\r\n" not in content:
        if not (more := peer.recv(65536)):
            return b""
        content += more
        if content.startswith(b"\x16"):  # a TLS greeting, which has no blank line
            return content
    head, _, body = content.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    ]
    while len(body) < (int(lengths[0]) if lengths else 0):
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
