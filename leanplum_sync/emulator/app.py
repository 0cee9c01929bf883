"""The routes: the API under ``/api``, and the emulator's own under ``/_emulator``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from leanplum_sync.emulator import counts, dispatcher, request, seeds
from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.in_flight import InFlight
from leanplum_sync.emulator.store import Store
from leanplum_sync.emulator.values import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from leanplum_sync.emulator.dispatcher import Answer, App
    from leanplum_sync.emulator.request import Call

_HEADERS = {"Access-Control-Allow-Origin": "*", "Server": "leanplum-sync emulator"}
_LOCKED = "Request failed due to concurrent requests to the same profile ID"


class Api:
    """The ASGI application behind ``/api``."""

    def __init__(self, app: App, store: Store, clock: Callable[[], float]) -> None:
        self._app = app
        self._store = store
        self._clock = clock
        self._in_flight = InFlight()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        query = scope["query_string"].decode("ascii", errors="replace")
        content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
        try:
            call = request.read(query, content_type, body, self._app.switches)
        except RefusedError as refused:
            answer = dispatcher.refusal(refused.message, refused.status)
            with self._store.transaction() as transaction:
                transaction.count(counts.REQUESTS, "(unreadable)")
                transaction.count(counts.REJECTED, str(answer.status))
            await self._respond(answer, scope, receive, send)
            return
        await self._serve(call, scope, receive, send)

    async def _serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        users = dispatcher.subjects(call, self._store.owner)
        with self._in_flight.flight(users, is_multi=call.is_multi) as (flight, overlapping):
            # Lets calls that arrived at the same time be seen as such.
            await asyncio.sleep(0)
            if await self._in_flight.may_start(flight, self._app.switches):
                answer = self._carry_out(call, overlapping)
            else:
                answer = self._refuse(call, overlapping, dispatcher.refusal(_LOCKED, 429))
            await self._respond(answer, scope, receive, send)

    def _carry_out(self, call: Call, overlapping: set[str]) -> Answer:
        admitted = dispatcher.admit(call, self._app)
        if isinstance(admitted, dispatcher.Answer):
            return self._refuse(call, overlapping, admitted)
        with self._store.transaction() as transaction:
            self._count(call, overlapping, transaction)
            return dispatcher.carry_out(call, admitted, self._app, transaction, self._clock())

    def _refuse(self, call: Call, overlapping: set[str], answer: Answer) -> Answer:
        with self._store.transaction() as transaction:
            self._count(call, overlapping, transaction)
            transaction.count(counts.REJECTED, str(answer.status))
        return answer

    def _count(self, call: Call, overlapping: set[str], transaction: Any) -> None:
        dispatcher.count_arrival(call, transaction)
        for user_id in overlapping:
            transaction.count(counts.OVERLAPS)
            transaction.count(counts.OVERLAPPED, user_id)

    async def _respond(self, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        content = to_json({"response": answer.elements}, java=self._app.switches.java_doubles)
        headers = _HEADERS | {"Content-Type": "application/json;charset=utf-8"}
        await Response(content, answer.status, headers)(scope, receive, send)


async def _body(receive: Receive) -> bytes | None:
    """Return the request's body, None if the client went away before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def create(
    app: App, store: Store, seed_files: Sequence[Path], clock: Callable[[], float], faults: Sequence[Any]
) -> Starlette:
    """Return the application; it closes the store when it is shut down."""
    del faults

    async def health(_: Request) -> Response:
        return _json({"ok": True, "appId": app.app_id})

    async def show_counts(asked: Request) -> Response:
        return _json(counts.counted(store, detail=asked.query_params.get("detail") in ("1", "true")))

    async def dump(_: Request) -> Response:
        return StreamingResponse(_chunks(seeds.dump(store)), media_type="application/x-ndjson")

    async def reset(asked: Request) -> Response:
        only = asked.query_params.get("only")
        with store.transaction() as transaction:
            transaction.forget(state=only != "counts", counts=True)
            if only != "counts":
                seeds.reload(transaction, seed_files, app.switches, clock())
        return _json({"ok": True})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        store.close()

    return Starlette(
        routes=[
            Route("/api", Api(app, store, clock)),
            Route("/_emulator/health", health),
            Route("/_emulator/counts", show_counts),
            Route("/_emulator/dump", dump),
            Route("/_emulator/reset", reset, methods=["POST"]),
        ],
        lifespan=lifespan,
    )


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Join lines into pieces worth sending."""
    buffer: list[bytes] = []
    size = 0
    for line in lines:
        buffer.append(line)
        size += len(line)
        if size > 64 * 1024:
            yield b"".join(buffer)
            buffer, size = [], 0
    yield b"".join(buffer)


def _json(value: Any) -> Response:
    return Response(to_json(value), headers=_HEADERS | {"Content-Type": "application/json;charset=utf-8"})
