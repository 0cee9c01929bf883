"""
The types of the journal's columns. SQLite stores any value in any column, so each value is checked when it is read.

An invalid value raises ``DamagedCellError``, from which the database makes the error of a damaged journal with its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from leanplum_sync.address import Subject
from leanplum_sync.journal.entry import BatchState, DeliveryState, ExportState, Fate, RunState
from leanplum_sync.wire.action import DeliveryClass

_LATEST: Final = 253402300799  # the end of the year 9999: no later time can be shown


class DamagedCellError(ValueError):
    """*column* is such as ``batch.state``."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)


class Kind(StrEnum):
    TEXT = "text"
    WHOLE = "whole number"
    LARGE = "large whole number"
    TIME = "time"  # seconds since the epoch
    SUBJECT = "subject"
    NUMBERS = "numbers"  # a JSON list
    RUN_STATE = "state of a run"
    BATCH_STATE = "state of a batch"
    FATE = "fate"
    DELIVERY_STATE = "state of a delivery"
    DELIVERY_CLASS = "delivery class"
    EXPORT_STATE = "state of an export job"
    BYTES = "bytes"


class Cell(sa.types.TypeDecorator[Any]):
    """The type of *column*, such as ``batch.state``."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Kind, column: str) -> None:
        super().__init__()
        self.kind, self.column = kind, column
        self.impl = _FORMS[kind].impl  # type: ignore[assignment]  # SQLAlchemy replaces the class by an instance, too

    def accepts(self, value: object) -> bool:
        return value is None or _FORMS[self.kind].accepts(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        if not self.accepts(value):
            raise DamagedCellError(self.column)
        return value


def unchecked(table: sa.Table) -> list[sa.ColumnElement[Any]]:
    """Return the columns of *table* with whatever values they have."""
    return [sa.type_coerce(column, sa.types.NullType()).label(column.key) for column in table.columns]


@dataclass(frozen=True, slots=True)
class _Form:
    impl: sa.types.TypeEngine[Any]
    accepts: Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_whole(value: object) -> bool:
    return isinstance(value, int)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= _LATEST


def _is_subject(value: object) -> bool:
    try:
        return isinstance(value, str) and str(Subject.parse(value)) == value
    except ValueError:
        return False


def _is_numbers(value: object) -> bool:
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(each, int) for each in found)


def _is_bytes(value: object) -> bool:
    return isinstance(value, bytes)


def _one_of(words: type[StrEnum]) -> _Form:
    known = frozenset(words)
    return _Form(sa.Text(), lambda value: isinstance(value, str) and value in known)


_FORMS: Final[Mapping[Kind, _Form]] = MappingProxyType(
    {
        Kind.TEXT: _Form(sa.Text(), _is_text),
        Kind.WHOLE: _Form(sa.Integer(), _is_whole),
        Kind.LARGE: _Form(sa.BigInteger(), _is_whole),
        Kind.TIME: _Form(sa.Double(), _is_time),
        Kind.SUBJECT: _Form(sa.Text(), _is_subject),
        Kind.NUMBERS: _Form(sa.Text(), _is_numbers),
        Kind.RUN_STATE: _one_of(RunState),
        Kind.BATCH_STATE: _one_of(BatchState),
        Kind.FATE: _one_of(Fate),
        Kind.DELIVERY_STATE: _one_of(DeliveryState),
        Kind.DELIVERY_CLASS: _one_of(DeliveryClass),
        Kind.EXPORT_STATE: _one_of(ExportState),
        Kind.BYTES: _Form(sa.LargeBinary(), _is_bytes),
    }
)
