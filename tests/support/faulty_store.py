"""An S3 on loopback that fails as it is told to. It has one bucket, and knows listing and reading."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

CODES = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError", 503: "SlowDown"}
CHANGED = b"id,tier\nu1,changed-secret\n"


@dataclass(slots=True)
class FaultyStore:
    """
    *fault* is None, or what happens from now on: a status (``"403"``), to every request or, as ``"403 on read"``, to those for a
    file; ``cut``, a file that ends early; ``changed``, another version than was listed; ``changed, condition ignored``, the same
    by a server that doesn't know conditions; ``stalled``, a file whose second half never comes.
    """

    files: dict[str, bytes]
    endpoint: str = ""
    fault: str | None = None
    requests: list[str] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def options(self) -> Mapping[str, str]:
        return {"endpoint": self.endpoint, "region": "us-east-1"}


@contextmanager
def faulty_store(files: Mapping[str, bytes]) -> Iterator[FaultyStore]:
    store = FaultyStore(dict(files))

    class Handler(_Handler):
        served = store

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: FaultyStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        address = urlsplit(self.path)
        key = unquote(address.path).removeprefix("/exports").lstrip("/")
        self.served.requests.append(f"{self.command} {key}")
        fault = self.served.fault or ""
        is_read = bool(key) and with_body
        if fault[:3].isdigit() and (is_read or not fault.endswith("on read")):
            self._refuse(int(fault[:3]))
        elif not key:
            asked = parse_qs(address.query)
            self._list(asked.get("prefix", [""])[0], asked.get("start-after", [""])[0])
        elif key not in self.served.files:
            self._refuse(404)
        else:
            self._file(self.served.files[key], fault, with_body=with_body)

    def _list(self, prefix: str, after: str) -> None:
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-11-01T10:00:00.000Z</LastModified>"
            f"<ETag>{escape(_e_tag(content))}</ETag><Size>{len(content)}</Size></Contents>"
            for key, content in sorted(self.served.files.items())
            if key.startswith(prefix) and key > after
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
        self._send(200, body.encode(), {"Content-Type": "application/xml"})

    def _file(self, content: bytes, fault: str, *, with_body: bool) -> None:
        if with_body and fault.startswith("changed"):
            content = CHANGED
        asked = self.headers.get("If-Match")
        if asked not in (None, _e_tag(content)) and not fault.endswith("ignored"):
            self._refuse(412)
            return
        first, end = self._range(len(content))
        headers = {"ETag": _e_tag(content), "Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
        is_part = "Range" in self.headers
        if is_part:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
        body = content[first:end]
        sent = body[: len(body) // 2] if with_body and fault in ("cut", "stalled") else body
        self._send(206 if is_part else 200, sent if with_body else b"", headers, length=len(body))
        if with_body and fault == "stalled":
            self.wfile.flush()
            self.served.stalled.set()
            self.served.closed.wait()
        if len(sent) != len(body):
            self.close_connection = True

    def _range(self, size: int) -> tuple[int, int]:
        asked = self.headers.get("Range")
        if asked is None:
            return 0, size
        first, last = asked.removeprefix("bytes=").split("-")
        if not first:
            return max(0, size - int(last)), size
        return int(first), min(size, int(last) + 1) if last else size

    def _refuse(self, status: int) -> None:
        code = CODES.get(status, "PreconditionFailed")
        body = f"<Error><Code>{code}</Code><Message>secret-of-the-server</Message></Error>"
        self._send(
            status, body.encode() if self.command != "HEAD" else b"", {"Content-Type": "application/xml"}
        )

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], *, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def _e_tag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'
