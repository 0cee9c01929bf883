"""Remarks on data that is valid: collected while rows are checked, counted, and shown once for each column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leanplum_sync.kinds.rows.absence import id_remark, means_nothing
from leanplum_sync.problem import Place, Problem, Remark

if TYPE_CHECKING:
    from leanplum_sync.kinds import Resource
    from leanplum_sync.kinds.rows.row import Row

_EMPTY_HINT = "If the word means an empty cell, list it under `empty`. Otherwise it is sent as text."


@dataclass(slots=True)
class _Seen:
    count: int
    first: Place


class RowRemarks:
    """Remarks on the rows of one resource. *values* are the columns that it takes values from."""

    def __init__(self, resource: Resource) -> None:
        self._address = str(resource.address)
        self._ids = tuple(column.name for column in resource.id_columns)
        needed = (column.name for column in resource.columns_needed())
        self.values = tuple(column for column in needed if column not in self._ids)
        self._odd_ids: dict[str, _Seen] = {}
        self._words: dict[str, _Seen] = {}

    def see(self, row: Row) -> None:
        self.see_ids(row)
        for column in self.values:
            value = row.values.get(column)
            if type(value) is str and means_nothing(value):
                self.see_word(column, row.place)

    def see_ids(self, row: Row) -> None:
        for column in self._ids:
            value = row.values.get(column)
            if isinstance(value, str) and (oddity := id_remark(value)):
                _count(self._odd_ids, f"ids in column {column} {oddity}", row.place)

    def see_word(self, column: str, first: Place, count: int = 1) -> None:
        _count(self._words, column, first, count)

    def all(self) -> Iterator[Remark]:
        for sentence, seen in self._odd_ids.items():
            yield self._remark(seen, f"{seen.count:,} {sentence}", "Compare them with the ids in Leanplum.")
        for column, seen in self._words.items():
            rows = _amount(seen.count, "row")
            message = f"column {column} has a word for a missing value, such as NULL, in {rows}"
            yield self._remark(seen, message, _EMPTY_HINT)

    def _remark(self, seen: _Seen, message: str, hint: str) -> Remark:
        return Remark(Problem(seen.first, message, hint, self._address), seen.count)


def _count(found: dict[str, _Seen], what: str, first: Place, count: int = 1) -> None:
    seen = found.setdefault(what, _Seen(0, first))
    seen.count += count


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shared_token_remark(address: str, first: Place, other: Place, count: int) -> Remark:
    message = (
        f"{_amount(count, 'push token')} belong{'s' if count == 1 else ''} to more than one device or user"
    )
    hint = "All their push messages would go to the same phone: keep the row of its current user."
    return Remark(Problem(first, message, hint, address, also=other), count)
