"""A proxy for the emulator that echoes requests in its answers, to find out whether values leak into logs and messages."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass(slots=True)
class Echoing:
    """*how* says what becomes of a call that is, or holds, the action *of*; None lets the emulator answer."""

    url: str
    how: str | None = None
    of: str = "multi"


@contextmanager
def echoing(emulator_url: str) -> Iterator[Echoing]:
    told = Echoing("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if told.how is not None and f"action={told.of}" in self.path:
                answer = _echo(told.how, body)
            else:
                answer = _forward(f"{emulator_url}{self.path}", body)
            if answer is None:
                self.connection.close()
                return
            status, content = answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        told.url = f"http://127.0.0.1:{server.server_port}"
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _forward(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def _echo(how: str, body: bytes) -> tuple[int, bytes] | None:
    text = body.decode()
    told = json.loads(body)
    match how:
        case "fails":
            return 500, body
        case "fails in JSON":
            return 500, _elements({"success": False, "error": {"message": f"failed at {text}"}})
        case "page":
            return 200, b"<html>" + body
        case "refuses":
            return 400, _elements({"success": False, "error": {"message": f"can't read {text}"}})
        case "forbids":
            return 403, _elements({"success": False, "error": {"message": f"may not {text}"}})
        case "blames the key":
            message = f"Invalid access key {told['clientKey']} in {text}"
            return 403, _elements({"success": False, "error": {"message": message}})
        case "rejects":
            return 200, _elements(
                *(
                    {"success": False, "error": {"message": f"no: {json.dumps(each)}"}}
                    for each in told["data"]
                )
            )
        case "skips":
            return 200, _elements(
                *(
                    {"success": True, "warning": {"message": f"skipped {json.dumps(each)}"}}
                    for each in told["data"]
                )
            )
        case "cuts":
            return None
        case _:
            raise AssertionError(how)


def _elements(*elements: Any) -> bytes:
    return json.dumps({"response": elements}).encode()
