"""One SELECT through an ADBC driver whose parameters are question marks: Snowflake and Flight SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.statement import Statement
from leanplum_sync.wire.action import Json


@contextmanager
def executing(connection: Any) -> Iterator[tuple[Callable[..., Any], Callable[[], None]]]:
    """Yield what executes a statement and returns the cursor for its rows, and what cancels it."""
    with connection.cursor() as cursor:

        def execute(statement: str, given: Sequence[Json] | None = None) -> Any:
            interruptible(partial(cursor.execute, statement, given), cursor.adbc_cancel)
            return cursor

        yield execute, cursor.adbc_cancel


def wrapped(query: Statement) -> str:
    """Return *query* inside a SELECT, so that it can't write."""
    return f'SELECT * FROM (\n{query.with_marks("?".format)}\n) AS "found"'  # noqa: S608 - the user's query


def values(query: Statement, parameters: Mapping[str, Json]) -> list[Json] | None:
    """Return a value for each question mark."""
    return [parameters[name] for name in query.names] or None
