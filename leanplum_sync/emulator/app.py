"""The routes: the API under ``/api``, and the emulator's own under ``/_emulator``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from leanplum_sync.emulator import counts, faults, seeds
from leanplum_sync.emulator.api import HEADERS, JSON, Api
from leanplum_sync.emulator.dispatcher import App
from leanplum_sync.emulator.errors import EmulatorError
from leanplum_sync.emulator.faults import Faults
from leanplum_sync.emulator.methods.jobs import BUCKETS
from leanplum_sync.emulator.store import Store
from leanplum_sync.emulator.values import to_json

_CHUNK_BYTES = 64 * 1024
_METHODS = ("GET", "POST")
_PATHS = ("/api", "/api-batch")  # the second: a client of 2015 sends its multis there


class Emulator(Starlette):
    """
    The application. It gives faults access to the connection, so that they can cut it; ASGI has no way to do that.

    Calls of the API bypass the framework: the API answers its own errors.
    """

    def __init__(self, api: Api, **options: Any) -> None:
        super().__init__(**options)
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # uvicorn's send is a method of the object that holds the connection.
        scope["emulator.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        if scope["type"] == "http" and scope["path"] in _PATHS and scope["method"] in _METHODS:
            await self._api(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Setup:
    app: App
    seeds: Sequence[Path]
    faults: Faults
    clock: Callable[[], float]


def create(setup: Setup, store: Store) -> Starlette:
    """Return the application; it closes the store when it is shut down."""
    api = Api(setup.app, store, setup.clock, setup.faults)
    own = _Own(setup, store, api)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await api.close()
        store.close()

    return Emulator(
        api,
        routes=[
            *(Route(path, api) for path in _PATHS),
            Route("/_emulator/health", own.health),
            Route("/_emulator/counts", own.counts),
            Route("/_emulator/dump", own.dump),
            Route("/_emulator/reset", own.reset, methods=["POST"]),
            Route("/_emulator/faults", own.faults, methods=["GET", "POST"]),
            Route("/_emulator/files/{name:path}", own.file),
            Route("/_emulator/buckets/{name:path}", own.put_in_bucket, methods=["PUT"]),
        ],
        lifespan=lifespan,
    )


class _Own:
    def __init__(self, setup: Setup, store: Store, api: Api) -> None:
        self._setup = setup
        self._store = store
        self._api = api

    async def health(self, _: Request) -> Response:
        return _json({"ok": True, "appId": self._setup.app.app_id})

    async def counts(self, asked: Request) -> Response:
        return _json(counts.counted(self._store, detail=asked.query_params.get("detail") in ("1", "true")))

    async def dump(self, _: Request) -> Response:
        return StreamingResponse(_chunks(seeds.dump(self._store)), media_type="application/x-ndjson")

    async def reset(self, asked: Request) -> Response:
        """Restore the seeds and the initial faults, and zero the counts; with ``?only=counts`` only zero the counts."""
        only_counts = asked.query_params.get("only") == "counts"
        with self._store.transaction() as transaction:
            transaction.forget(state=not only_counts, counts=True)
            if not only_counts:
                seeds.reload(transaction, self._setup.seeds, self._setup.app.switches, self._setup.clock())
        if not only_counts:
            self._api.replace_faults(self._setup.faults)
        return _json({"ok": True})

    async def faults(self, asked: Request) -> Response:
        """Tell the faults, or with POST replace them: text as on the command line, or a JSON list."""
        if asked.method == "POST":
            try:
                self._api.replace_faults(faults.parse(_faults_in(await asked.body())))
            except EmulatorError as error:
                return _json({"ok": False, "error": str(error)}, status=400)
        return _json(self._api.struck.described())

    async def file(self, asked: Request) -> Response:
        content = self._store.file(asked.path_params["name"])
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type="application/octet-stream")

    async def put_in_bucket(self, asked: Request) -> Response:
        """Store a file under the bucket and name by which a CSV import job finds it."""
        content = await asked.body()
        with self._store.transaction() as transaction:
            transaction.put_file(f"{BUCKETS}/{asked.path_params['name']}", content)
        return _json({"ok": True})


def _faults_in(body: bytes) -> Any:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        given = None
    match given:
        case list():
            return given
        case dict():
            return [given]
        case _:
            return faults.from_text(body.decode("utf-8", errors="replace"))


async def _chunks(lines: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Join lines into pieces worth sending. Asynchronous, as the store belongs to the loop's thread."""
    buffer: list[bytes] = []
    size = 0
    for line in lines:
        buffer.append(line)
        size += len(line)
        if size > _CHUNK_BYTES:
            yield b"".join(buffer)
            buffer, size = [], 0
    yield b"".join(buffer)


def _json(value: Any, status: int = 200) -> Response:
    response = Response(to_json(value), status)
    response.raw_headers += [*HEADERS, JSON]
    return response
