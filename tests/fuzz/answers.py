"""A fuzzer of the API's answers: a proxy for the emulator, on loopback, that mutates what it passes on."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from command import Ended, run
from documents import outputs
from fuzzing import Fuzzer
from mutations import mutated_bytes, mutated_text, mutated_tree
from shop import ENVIRON, KEYS, PROJECT, SECRETS, write_shop

from leanplum_sync import emulator

_CLASSES: Final = {
    "LEANPLUM_PRODUCTION_KEY": "production",
    "LEANPLUM_DEVELOPMENT_KEY": "development",
    "LEANPLUM_DATA_EXPORT_KEY": "data_export",
    "LEANPLUM_CONTENT_READ_ONLY_KEY": "content_read_only",
}
_ESCAPED: Final = "kanari-escaped"  # replaced by a key that is written with escapes
_KEY: Final = KEYS["LEANPLUM_PRODUCTION_KEY"]
_SENTENCES: Final = (
    *(
        "User not found",
        "User not found; request skipped.",
        "Device not found",
        "Invalid access key",
        "App not found",
        "Too many requests",
    ),
    *(
        "App endpoint configuration mismatch",
        "Development mode requested",
        "Anomaly detected",
        "Past event detected",
        "Internal error",
    ),
    *(
        "Message not found",
        "No matching data found.",
        "Rate limit exceeded",
        f"Invalid access key {_KEY}",
        f"can't read {_ESCAPED}",
    ),
)
_WORDS: Final = (
    *_SENTENCES,
    *({"message": sentence} for sentence in _SENTENCES[::3]),
    *({"success": success} for success in (True, False)),
    *({"success": False, "error": {"message": sentence}} for sentence in _SENTENCES[::4]),
    {"success": True, "warning": {"message": "User not found; request skipped."}},
    {
        "success": False,
        "apiHost": "other.example.com",
        "apiServlet": "api",
        "devServerHost": "dev.example.com",
    },
    {"migrateState": {"sha256": "0" * 64}},
    *(
        "success",
        "error",
        "warning",
        "message",
        "response",
        "reqId",
        "messagesSent",
        "apiHost",
        "migrateState",
        "state",
        "NONE",
    ),
    *(
        "userAttributes",
        "devices",
        "deviceId",
        "userId",
        "messages",
        "id",
        "name",
        "active",
        "delivery",
        "EVENTS_UPLOAD_STARTED",
    ),
    *("u1", "u2", "d1", "Hello", "manual", "visits", "email", "hobbies", "last_increment"),
)
_STATUSES: Final = (
    200,
    200,
    201,
    204,
    301,
    302,
    304,
    400,
    401,
    403,
    404,
    404,
    413,
    418,
    429,
    429,
    500,
    502,
    503,
    504,
    599,
)
_PLAN: Final = "a.lpplan"
_ACKS: Final = ("--yes", "--new-journal", "--verify", "none")


@dataclass(slots=True)
class _Answer:
    status: int
    body: bytes
    headers: dict[str, str]
    length: int | None = None  # as it claims to be
    is_cut: bool = False


class Answers(Fuzzer):
    name = "answers"
    secrets = SECRETS

    _commands = (
        ("plan",),
        ("plan", "--out", "b.lpplan"),
        ("pull", "u1", "u2", "device:d1", "--out", "seen.ndjson"),
        ("drift",),
        ("doctor",),
        ("doctor", "--for", "apply", "-o", "json"),
        ("call", "exportUser", "userId=u1"),
        ("call", "getMessages"),
        ("call", "getMigrateState", "--key", "production"),
        ("call", "setUserAttributes", "userId=u1", 'userAttributes={"a": 1}', "--yes"),
        ("call", "downloadFile", "filename=a.png", "--out", "a.png"),
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._shop = folder / "shop"
        self._shop.mkdir()
        write_shop(self._shop, project=json.dumps(_project()).encode())
        with self._serving(self._shop, None) as environ:
            ended = run(self._shop, "plan", "--out", _PLAN, environ=environ)
        assert ended.code == 0, ended.err

    def case(self, draw: random.Random, folder: Path, *, debug: bool) -> Iterator[Ended]:
        shutil.copytree(self._shop, folder, dirs_exist_ok=True)
        if draw.random() < 0.3:
            project = folder / "leanplum-sync.yaml"
            project.write_text(project.read_text().replace('"readInBatches": true', '"readInBatches": false'))
        if draw.random() < 0.4:
            with self._serving(folder, draw) as environ:
                yield run(folder, *draw.choice(self._commands), environ=environ, debug=debug)
            return
        options = draw.choice([(), (), ("--recheck", "on"), ("--canary", "2"), ("--verify", "all")])
        with self._serving(folder, draw) as environ:
            yield run(
                folder,
                "apply",
                _PLAN,
                *_ACKS,
                *options,
                *outputs(draw, ("json", "markdown", "junit")),
                environ=environ,
                debug=debug,
            )
        yield from self._journal(folder, debug=debug)
        with self._serving(folder, draw if draw.random() < 0.5 else None) as environ:
            if (folder / ".leanplum-sync" / "journal.db").exists():
                yield run(
                    folder, *draw.choice([("undo", "1"), ("drift",), ("plan",)]), environ=environ, debug=debug
                )
            yield run(folder, "apply", _PLAN, *_ACKS, "--resume", environ=environ, debug=debug)
        yield from self._journal(folder, debug=debug)

    def _journal(self, folder: Path, *, debug: bool) -> Iterator[Ended]:
        """Whatever was answered, the journal is consistent."""
        if (folder / ".leanplum-sync" / "journal.db").exists():
            verified = run(folder, "journal", "verify", environ=ENVIRON, debug=debug)
            assert verified.code == 0, verified.out + verified.err
            yield run(folder, "status", environ=ENVIRON, debug=debug)

    @contextmanager
    def _serving(self, folder: Path, draw: random.Random | None) -> Iterator[dict[str, str]]:
        """Yield the environment variables of an app whose answers are mutated as drawn; without *draw*, they are not."""
        with emulator.running(seeds=[folder / "seed" / "users.ndjson"], state=folder / "app.db") as served:
            server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served.url, draw))
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            try:
                yield {**ENVIRON, "LEANPLUM_API_URL": f"http://127.0.0.1:{server.server_port}"}
            finally:
                server.shutdown()
                thread.join()
                server.server_close()


def _project() -> Any:
    project = json.loads(json.dumps(PROJECT))
    budget = {"sends": 100, "createdUsers": 100}
    limits = {"concurrency": 1, "requestsPerSecond": 100000, "leaseSeconds": 3600, "readInBatches": True}
    project["spec"]["environments"]["production"] |= {"budget": budget, "limits": limits}
    project["spec"]["environments"]["production"]["keys"] = {}
    project["spec"]["defaultEnvironment"] = "production"
    return project


def _handler(url: str, draw: random.Random | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def do_GET(self) -> None:
            self._answer(None)

        def _answer(self, body: bytes | None) -> None:
            answer = _forwarded(f"{url}{self.path}", body)
            if draw is not None and draw.random() < 0.5:
                _mutate(draw, answer)
            self.close_connection = answer.is_cut or answer.length is not None or draw is not None
            if answer.is_cut and not answer.body:
                return
            with suppress(OSError):
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header(
                    "Content-Length", str(len(answer.body) if answer.length is None else answer.length)
                )
                self.end_headers()
                if answer.status != 304:
                    self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _forwarded(url: str, body: bytes | None) -> _Answer:
    for variable, key_class in _CLASSES.items():
        body = body and body.replace(KEYS[variable].encode(), emulator.KEYS[key_class].encode())
    body = body and body.replace(ENVIRON["LEANPLUM_APP_ID"].encode(), emulator.APP_ID.encode())
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return _Answer(answer.status, answer.read(), {})
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.read(), {})


def _mutate(draw: random.Random, answer: _Answer) -> None:
    for _ in range(draw.choice([1, 1, 1, 2])):
        match draw.randrange(14):
            case 0:
                answer.status = draw.choice(_STATUSES)
            case 1:
                answer.body = mutated_bytes(draw, answer.body)
            case 2:
                answer.body = mutated_text(draw, answer.body.decode("utf-8", "replace"), _WORDS).encode(
                    "utf-8", "replace"
                )
            case 3:
                answer.is_cut = True
                answer.body = draw.choice([b"", answer.body[: len(answer.body) // 2]])
                answer.length = len(answer.body) + 10
            case 4:
                answer.body = draw.choice(
                    [
                        b"",
                        b"<html>Bad gateway</html>",
                        b"null",
                        b"[]",
                        b"{}",
                        b'{"response": null}',
                        b'{"response": []}',
                    ]
                )
                answer.status = draw.choice(_STATUSES)
            case 5:
                _encode(draw, answer)
            case 6:
                name, value = draw.choice(
                    [
                        ("Location", f"http://127.0.0.1:1/?key={_KEY}"),
                        ("Location", "\u00e9".encode().decode("latin-1")),
                        ("Date", "yesterday"),
                        ("Retry-After", "1e9"),
                        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
                        ("Content-Type", "text/html"),
                        ("Set-Cookie", "a=b"),
                    ]
                )
                answer.headers[name] = value
            case 7:
                sentence = draw.choice(_SENTENCES)
                element = {
                    "success": False,
                    draw.choice(["error", "error", "warning"]): {"message": sentence},
                }
                answer.body = json.dumps({"response": [element] * draw.choice([1, 1, 2, 10])}).encode()
                answer.status = draw.choice(_STATUSES)
            case _:
                _restructure(draw, answer)
    escaped = "".join(f"\\u{ord(each):04x}" for each in _KEY)
    answer.body = answer.body.replace(_ESCAPED.encode(), escaped.encode())


def _restructure(draw: random.Random, answer: _Answer) -> None:
    try:
        tree = json.loads(answer.body)
    except ValueError:
        return
    mutated = mutated_tree(draw, tree, _WORDS)
    elements = mutated.get("response") if isinstance(mutated, dict) else None
    if isinstance(elements, list) and elements and draw.random() < 0.5:
        # What a server might do to its elements.
        match draw.randrange(5):
            case 0:
                draw.shuffle(elements)
            case 1:
                elements.pop(draw.randrange(len(elements)))
            case 2:
                elements.append(draw.choice(elements))
            case 3:
                elements[draw.randrange(len(elements))] = {
                    "success": False,
                    "error": {"message": draw.choice(_SENTENCES)},
                }
            case _:
                for element in elements:
                    if isinstance(element, dict):
                        element.pop("reqId", None)
    answer.body = json.dumps(mutated, ensure_ascii=draw.random() < 0.5).encode("utf-8", "replace")


def _encode(draw: random.Random, answer: _Answer) -> None:
    kind = draw.choice(["gzip", "gzip", "deflate", "br", "identity", "x-gzip", "GZIP"])
    answer.headers["Content-Encoding"] = kind
    if draw.random() < 0.7:
        answer.body = gzip.compress(answer.body, mtime=0)
        if draw.random() < 0.4:
            answer.body = mutated_bytes(draw, answer.body)
