"""
A database that speaks Arrow Flight SQL, for tests: DuckDB behind the part of the protocol that ADBC's driver uses to read rows.

Run as a program it serves ``python flight_sql.py PASSWORD STATEMENT...`` after the statements, and prints its port.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from pyarrow import flight

PASSWORD: Final = "not-in-any-message"
_TYPE: Final = "type.googleapis.com/arrow.flight.protocol.sql."


@dataclass(frozen=True, slots=True)
class FlightSql:
    url: str
    process: subprocess.Popen[str]


@contextmanager
def serving_flight_sql(*statements: str) -> Iterator[FlightSql]:
    process = subprocess.Popen(
        [sys.executable, Path(__file__), PASSWORD, *statements], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield FlightSql(f"flightsql://reader:{PASSWORD}@127.0.0.1:{port}?useEncryption=false", process)
    finally:
        process.kill()
        process.communicate()


class _Login(flight.ServerMiddlewareFactory):
    """Takes the password once, and a token from then on."""

    def __init__(self, password: str) -> None:
        self.basic = "Basic " + base64.b64encode(f"reader:{password}".encode()).decode()
        self.bearer = f"Bearer token-{password}"

    def start_call(self, info: Any, headers: Mapping[str, list[str]]) -> flight.ServerMiddleware:
        del info
        found = {name.lower(): texts[0] for name, texts in headers.items()}.get("authorization", "")
        if found.rstrip("=") not in (self.basic.rstrip("="), self.bearer):  # the driver adds no padding
            raise flight.FlightUnauthenticatedError(f"wrong: {found}")
        return _Token(self.bearer)


class _Token(flight.ServerMiddleware):
    def __init__(self, bearer: str) -> None:
        self.bearer = bearer

    def sending_headers(self) -> dict[str, str]:
        return {"authorization": self.bearer}


class _NoHandshake(flight.ServerAuthHandler):
    """The password comes in a header."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        pass

    def is_valid(self, token: bytes) -> bytes:
        return b""


class _Server(flight.FlightServerBase):
    def __init__(self, password: str, statements: list[str]) -> None:
        super().__init__(
            "grpc://127.0.0.1:0", auth_handler=_NoHandshake(), middleware={"login": _Login(password)}
        )
        self._database = duckdb.connect()
        for statement in statements:
            self._database.execute(statement)
        self._prepared: dict[bytes, tuple[str, list[Any]]] = {}

    def get_flight_info(self, context: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        name, body = _any(descriptor.command)
        match name:
            case "CommandStatementQuery":
                query, values = body[1].decode(), []
            case "CommandPreparedStatementQuery":
                query, values = self._prepared[body[1]]
            case "CommandGetSqlInfo":
                raise NotImplementedError
            case _:
                raise NotImplementedError(name)
        ticket = f"{len(self._prepared)}".encode()
        self._prepared[ticket] = query, values
        endpoint = flight.FlightEndpoint(flight.Ticket(ticket), [])
        return flight.FlightInfo(self._run(query, values).schema, descriptor, [endpoint], -1, -1)

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.FlightDataStream:
        return flight.RecordBatchStream(self._run(*self._prepared.pop(ticket.ticket)))

    def do_action(self, context: Any, action: flight.Action) -> Iterator[bytes]:
        _, body = _any(action.body.to_pybytes())
        if action.type == "CreatePreparedStatement":
            handle = f"prepared {len(self._prepared)}".encode()
            self._prepared[handle] = body[1].decode(), []
            yield _packed("ActionCreatePreparedStatementResult", handle)
        elif action.type == "ClosePreparedStatement":
            del self._prepared[body[1]]
        else:
            raise NotImplementedError(action.type)

    def do_put(self, context: Any, descriptor: flight.FlightDescriptor, reader: Any, writer: Any) -> None:
        _, body = _any(descriptor.command)
        (row,) = reader.read_all().to_pylist()
        query, _ = self._prepared[body[1]]
        self._prepared[body[1]] = query, list(row.values())

    def _run(self, query: str, values: list[Any]) -> pa.RecordBatchReader:
        cursor = self._database.cursor()
        try:
            return cursor.execute(query, values).to_arrow_reader(1000)
        except duckdb.Error as error:
            raise flight.FlightServerError(str(error)) from None


# Source: FlightSql.proto. Every message here has only fields of bytes and texts.


def _any(message: bytes) -> tuple[str, dict[int, bytes]]:
    """Return the name of the message in a ``google.protobuf.Any``, and its fields."""
    fields = _fields(message)
    return fields[1].decode().removeprefix(_TYPE), _fields(fields.get(2, b""))


def _fields(message: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at < len(message):
        tag, at = _number(message, at)
        length, at = _number(message, at)
        if tag & 7 == 0:
            continue
        found[tag >> 3] = message[at : at + length]
        at += length
    return found


def _number(message: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        number |= (message[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if message[at - 1] < 128:
            return number, at


def _packed(name: str, handle: bytes) -> bytes:
    body = _field(1, handle)
    return _field(1, (_TYPE + name).encode()) + _field(2, body)


def _field(number: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


if __name__ == "__main__":
    server = _Server(sys.argv[1], sys.argv[2:])
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.serve()
