"""What all kinds of resources share: where they stand, where their rows are, and how a row is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.rows.parts import Part
from leanplum_sync.kinds.rows.row import CellError, Row, RowError
from leanplum_sync.kinds.rows.source import DataSource, NeededColumn
from leanplum_sync.problem import Place, Problem
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import ID_LENGTH

Reader: TypeAlias = Callable[[Mapping[str, Json]], object]  # raises CellError


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceBase:
    """
    *place* is the document's ``kind`` line. *id_column* names the column that tells whom a row is about.

    *parts* are the lines of the spec, in its order, compiled for rows. *digest* is over what the spec says, not over how it is
    laid out, nor over its data file.
    """

    address: ResourceAddress
    depends_on: tuple[ResourceAddress, ...]
    place: Place
    source: DataSource
    id_column: NeededColumn
    parts: tuple[Part, ...]
    digest: str = ""

    def columns_needed(self) -> tuple[NeededColumn, ...]:
        """Return every column that the spec speaks of, once each, in its order."""
        needed = {self.id_column.name: self.id_column}
        for part in self.parts:
            for column in part.columns:
                needed.setdefault(column, NeededColumn(column, part.asked_at))
        return tuple(needed.values())

    def row_error(self, row: Row) -> RowError:
        """Return everything that is wrong with *row*, after something was: rows that are sound don't pay for it."""
        faults: list[tuple[CellError, Place | None]] = [
            (fault, None) for fault in self._id_faults(row.values)
        ]
        for asked_at, read in self._readers():
            try:
                read(row.values)
            except CellError as fault:
                faults.append((fault, asked_at))
        return RowError(
            [
                Problem(row.place, fault.message, fault.hint, address=str(self.address), also=asked_at)
                for fault, asked_at in faults
            ]
        )

    def _id_faults(self, values: Mapping[str, Json]) -> Iterator[CellError]:
        return id_faults(values, self.id_column.name)

    def _readers(self) -> Iterator[tuple[Place, Reader]]:
        return ((part.asked_at, partial(part.desire, row_id="")) for part in self.parts)


def id_faults(values: Mapping[str, Json], column: str) -> Iterator[CellError]:
    try:
        checked_id(values.get(column), column)
    except CellError as fault:
        yield fault


def checked_id(value: Json, column: str) -> str:
    """
    Return *value* if it is a userId or deviceId.

    Raises:
        CellError: it is not text, empty, too long, has blanks around it, or a NUL in it.
    """
    if (
        type(value) is str
        and 0 < len(value) <= ID_LENGTH
        and not (value[0].isspace() or value[-1].isspace() or "\0" in value)
    ):
        return value
    match value:
        case None | "":
            raise CellError(f"the id in column {column} is missing", "Every row needs one.")
        case str() if len(value) > ID_LENGTH:
            raise CellError(
                f"the id in column {column} is longer than {ID_LENGTH} characters", "The API refuses it."
            )
        case str() if "\0" in value:
            raise CellError(
                f"the id in column {column} holds a NUL character",
                "Remove it: a journal on PostgreSQL can't keep it.",
            )
        case str():
            raise CellError(
                f"the id in column {column} has blanks before or after it",
                "They would be part of the id: remove them.",
            )
        case _:
            raise CellError(
                f"the id in column {column} is not text", 'Ids are text: write it in quotes, such as "00123".'
            )
