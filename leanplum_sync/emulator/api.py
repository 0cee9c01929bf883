"""
The API's endpoint: turns the bytes of a request into those of a response, and applies faults on the way.

A call is counted when it arrives, waits for other calls about its users, is carried out in one transaction,
and is answered.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from starlette.types import Receive, Scope, Send

from leanplum_sync.emulator import counts, dispatcher, request
from leanplum_sync.emulator.deliveries import deliver
from leanplum_sync.emulator.dispatcher import Answer, App
from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.faults import Fault, Faults, Struck
from leanplum_sync.emulator.in_flight import InFlight
from leanplum_sync.emulator.methods.content import migration_hash
from leanplum_sync.emulator.request import Call
from leanplum_sync.emulator.store import Store, Transaction
from leanplum_sync.emulator.values import to_json

MAX_URL = 2083
_LOG = logging.getLogger(__name__)
_LOCKED = "Request failed due to concurrent requests to the same profile ID"
_TOO_MANY = "Too Many Requests."
_HTML = b"<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>"
_TOO_MANY_REQUESTS = 429
_LAST_SECOND = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request's connection: the ASGI callables, the scope, and the clock for the ``Date`` of its response."""

    scope: Scope
    receive: Receive
    send: Send
    clock: Callable[[], float]

    async def answer(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        sent: int | None = None,
        skew: float = 0.0,
    ) -> None:
        """
        Send a response with a clock *skew* seconds ahead.

        With *sent*, send that many bytes of the body and cut the connection.
        """
        own = [
            (b"date", _http_date(int(min(max(self.clock() + skew, 0), _LAST_SECOND)))),
            (b"content-length", str(len(body)).encode()),
            (b"x-cloud-trace-context", uuid.uuid4().hex.encode()),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})
        if sent is None:
            await self.send({"type": "http.response.body", "body": body})
            return
        await self.send({"type": "http.response.body", "body": body[:sent], "more_body": True})
        await self.cut()

    async def cut(self) -> None:
        """Close the connection as if the server had died; what was already sent still arrives."""
        transport = self.scope["emulator.transport"]
        if transport is None:
            raise RuntimeError("Only uvicorn's connections can be cut.")
        transport.close()
        while (await self.receive())["type"] != "http.disconnect":
            pass


class Api:
    """The ASGI application behind ``/api``."""

    def __init__(self, app: App, store: Store, clock: Callable[[], float], faults: Faults) -> None:
        self._app = app
        self._store = store
        self._clock = clock
        self._in_flight = InFlight()
        self._said: set[str] = set()
        self._background: dict[asyncio.Task[None], None] = {}
        self._queued: dict[asyncio.Task[None], Callable[[], None]] = {}
        self.struck = Struck(faults)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self._clock)
        body = await _body(receive)
        if body is None:
            return
        try:
            await self._receive(exchange, body)
        except Exception as error:  # noqa: BLE001 (a full disk, or a mistake of the emulator; this is the one place that says so)
            self._say(error)
            with suppress(RuntimeError):  # the response may have begun
                await exchange.answer(500, [JSON], b"{}")

    def _say(self, error: Exception) -> None:
        """Report each failure once; the traceback is logged for debugging only."""
        sentence = f"The emulator failed during a call: {error} ({type(error).__name__})."
        if sentence not in self._said:
            self._said.add(sentence)
            _LOG.error(sentence)
        _LOG.debug(sentence, exc_info=error)

    async def _receive(self, exchange: Exchange, body: bytes) -> None:
        query = exchange.scope["query_string"].decode("ascii", errors="replace")
        content_type = dict(exchange.scope["headers"]).get(b"content-type", b"").decode("latin-1")
        base_url = _base_url(exchange.scope)
        try:
            if exchange.scope["method"] == "GET" and len(f"{base_url}/api?{query}") > MAX_URL:
                raise RefusedError("The URL is too long.", 414)  # noqa: TRY301 (one way to refuse)
            call = request.read(query, content_type, body, self._app.switches)
        except RefusedError as refused:
            answer = dispatcher.refusal(refused.message, refused.status)
            with self._store.transaction() as transaction:
                transaction.count(counts.REQUESTS, "(unreadable)")
                transaction.count(counts.REJECTED, str(answer.status))
            await self._answer(exchange, answer, ())
            return
        await self._serve(replace(call, base_url=base_url), exchange)

    async def _serve(self, call: Call, exchange: Exchange) -> None:
        users = frozenset(dispatcher.subjects(call, self._store.owner))
        with self._in_flight.flight(users, is_multi=call.is_multi) as (flight, overlapping):
            # Gives calls that arrived at the same time the chance to overlap.
            await asyncio.sleep(0)
            if not await self._in_flight.may_start(flight, self._app.switches):
                answer = self._refuse(call, overlapping, (), dispatcher.refusal(_LOCKED, _TOO_MANY_REQUESTS))
                await self._answer(exchange, answer, ())
                return
            struck = self.struck
            strikes = struck.strike(dispatcher.action_names(call), users) if struck.faults.faults else ()
            await _wait("latency", strikes, struck)
            await self._work(call, overlapping, strikes, struck, exchange)

    async def _work(
        self,
        call: Call,
        overlapping: set[str],
        strikes: tuple[Fault, ...],
        struck: Struck,
        exchange: Exchange,
    ) -> None:
        match _instead(strikes):
            case None:
                answer = self._carry_out(call, overlapping, strikes)
                await _wait("late-answer", strikes, struck)
                await self._answer(exchange, answer, strikes)
            case Fault(kind="status" | "skipped") as fault:
                refused = self._refuse(call, overlapping, strikes, _failure(fault))
                await self._answer(exchange, refused, tuple(each for each in strikes if each.kind == "skew"))
            case fault:
                with self._store.transaction() as transaction:
                    self._count(call, overlapping, strikes, transaction)
                if fault.kind == "queued":
                    self._do_later(call, fault.seconds, struck)
                await exchange.cut()

    def _carry_out(self, call: Call, overlapping: set[str], strikes: tuple[Fault, ...]) -> Answer:
        """Count the call and carry it out: one transaction, committed on return."""
        now = self._clock() + _skew(strikes)
        with self._store.transaction() as transaction:
            self._count(call, overlapping, strikes, transaction)
            if any(fault.kind == "cut-half" for fault in strikes):
                call = replace(call, actions=call.actions[: len(call.actions) // 2])
            answer = self._admitted(call, transaction, now)
        self._deliver(answer)
        return answer

    def _deliver(self, answer: Answer) -> None:
        for delivery in answer.deliveries:
            self._in_background(deliver(delivery, self._app.switches.postback_first_retry_seconds))

    def _admitted(self, call: Call, transaction: Transaction, now: float) -> Answer:
        admitted = dispatcher.admit(call, self._app, transaction, now)
        if isinstance(admitted, dispatcher.Answer):
            transaction.count(counts.REJECTED, str(admitted.status))
            return admitted
        return dispatcher.carry_out(call, admitted, self._app, transaction, now)

    def _refuse(
        self, call: Call, overlapping: set[str], strikes: tuple[Fault, ...], answer: Answer
    ) -> Answer:
        with self._store.transaction() as transaction:
            self._count(call, overlapping, strikes, transaction)
            transaction.count(counts.REJECTED, str(answer.status))
        return answer

    def _count(
        self, call: Call, overlapping: set[str], strikes: tuple[Fault, ...], transaction: Transaction
    ) -> None:
        dispatcher.count_arrival(call, transaction)
        for user_id in overlapping:
            transaction.count(counts.OVERLAPS)
            transaction.count(counts.OVERLAPPED, user_id)
        for fault in strikes:
            transaction.count(counts.FAULTS, fault.kind)

    def _do_later(self, call: Call, seconds: float, struck: Struck) -> None:
        """
        Carry out a call whose connection is closed, after *seconds*, when *struck* is replaced or when the
        emulator stops.
        """

        def work() -> None:
            with self._store.transaction() as transaction:
                answer = self._admitted(call, transaction, self._clock())
            self._deliver(answer)

        async def wait_and_work() -> None:
            await _either(struck, seconds)
            self._queued.pop(task, None)
            work()

        task = asyncio.create_task(wait_and_work())
        self._queued[task] = work

    def _in_background(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._background[task] = None
        task.add_done_callback(self._background.pop)

    def replace_faults(self, faults: Faults) -> None:
        """Let *faults* strike from now on. Calls that an earlier fault delays continue at once."""
        self.struck.replaced.set()
        self.struck = Struck(faults)

    async def close(self) -> None:
        """Do the queued work now, and abandon deliveries."""
        for task, work in list(self._queued.items()):
            task.cancel()
            work()
        self._queued.clear()
        for task in list(self._background):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _answer(self, exchange: Exchange, answer: Answer, strikes: tuple[Fault, ...]) -> None:
        kinds, skew = {fault.kind: fault for fault in strikes}, _skew(strikes)
        if not kinds.keys().isdisjoint(("cut-after", "cut-half")):
            await exchange.cut()
            return
        if answer.redirect is not None:
            location = (b"location", answer.redirect.encode("latin-1"))
            await exchange.answer(302, [*HEADERS, location], b"", skew=skew)
            return
        if "status" in kinds:
            answer, strikes = _failure(kinds["status"]), ()
        if "html" in kinds or answer.is_html:
            headers, body = [*HEADERS, (b"content-type", b"text/html")], _HTML
        else:
            headers, body = [*HEADERS, JSON], self._body_of(answer, strikes)
        sent = len(body) // 2 if "truncated" in kinds else None
        await exchange.answer(answer.status, headers, body, sent=sent, skew=skew)

    def _migration(self) -> dict[str, Any]:
        state = self._app.switches.migrate_state
        return {} if state == "NONE" else {"migrateState": {"sha256": migration_hash(state)}}

    def _body_of(self, answer: Answer, strikes: tuple[Fault, ...]) -> bytes:
        elements, extra = list(answer.elements), self._migration()
        for fault in strikes:
            match fault.kind:
                case "short":
                    elements = elements[: max(0, len(elements) - fault.elements)]
                case "reordered":
                    elements = _shuffled(elements, self.struck)
                case "success-and-error":
                    elements = [element | {"error": {"message": "Scripted error."}} for element in elements]
                case "migrated":
                    extra = {"migrateState": {"sha256": "0" * 64}}
                case "host-mismatch":
                    elements = [_elsewhere(fault)]
                case _:
                    pass
        return to_json({"response": elements} | extra, java=self._app.switches.java_doubles)


HEADERS = [
    (b"access-control-allow-origin", b"*"),
    (b"cache-control", b"private"),
    (b"server", b"leanplum-sync emulator"),
]
JSON = (b"content-type", b"application/json;charset=utf-8")


def _instead(strikes: tuple[Fault, ...]) -> Fault | None:
    """Return the first fault that replaces the work."""
    for fault in strikes:
        if fault.kind in ("skipped", "cut-before", "queued") or (
            fault.kind == "status" and fault.when == "before"
        ):
            return fault
    return None


def _skew(strikes: tuple[Fault, ...]) -> float:
    return sum(fault.seconds for fault in strikes if fault.kind == "skew")


@lru_cache(maxsize=4)
def _http_date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()


async def _wait(kind: str, strikes: tuple[Fault, ...], struck: Struck) -> None:
    """Wait as long as the faults of *kind* say, or until *struck* is replaced."""
    seconds = sum(fault.seconds for fault in strikes if fault.kind == kind)
    if seconds > 0:
        await _either(struck, seconds)


async def _either(struck: Struck, seconds: float) -> None:
    """Wait until *struck* is replaced, but for *seconds* at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(struck.replaced.wait(), seconds)


_SKIPPED = "Scripted warning; request skipped."


def _failure(fault: Fault) -> Answer:
    """Return the response of a status fault: the API's own form below 500, a web server's page from there; or of ``skipped``."""
    if fault.kind == "skipped":
        return dispatcher.Answer(200, [{"success": True, "warning": {"message": _SKIPPED}}])
    if fault.status >= 500:  # noqa: PLR2004 (the class of server errors)
        return dispatcher.Answer(fault.status, is_html=True)
    return dispatcher.refusal(
        fault.text or (_TOO_MANY if fault.status == _TOO_MANY_REQUESTS else "Scripted refusal."), fault.status
    )


def _shuffled(elements: list[dict[str, Any]], struck: Struck) -> list[dict[str, Any]]:
    """Return the elements in another order, unless there is only one."""
    if len(elements) < 2:  # noqa: PLR2004 (one can't be out of order)
        return elements
    indices = list(range(len(elements)))
    while indices == sorted(indices):
        struck.shuffler.shuffle(indices)
    return [elements[index] for index in indices]


def _elsewhere(fault: Fault) -> dict[str, Any]:
    """Return the element that names another host. Source: fixtures of Leanplum's iOS and JavaScript SDKs."""
    return {
        "success": False,
        "apiHost": "api.example.com",
        "apiServlet": "api",
        "devServerHost": "dev.example.com",
        "error": {"message": fault.text or "App endpoint configuration mismatch."},
    }


def _base_url(scope: Scope) -> str:
    host, port = scope.get("server") or ("127.0.0.1", 80)
    return f"http://{host}:{port}"


async def _body(receive: Receive) -> bytes | None:
    """Return the request's body, None if the client disconnected before its end."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
