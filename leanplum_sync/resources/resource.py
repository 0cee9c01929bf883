"""What all kinds of resources share: where they stand, where their rows are, and how a row is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leanplum_sync.address import ResourceAddress
from leanplum_sync.problem import Place, Problem
from leanplum_sync.resources.cells import Cell, is_supplied
from leanplum_sync.resources.desire import Desire
from leanplum_sync.resources.parts import Part
from leanplum_sync.resources.row import CellError, Row, RowError
from leanplum_sync.resources.source import DataSource, NeededColumn
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.limits import ID_LENGTH


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceBase:
    """
    *place* is the document's ``kind`` line. *id_column* names the column that tells whom a row is about.

    *parts* are the lines of the spec, in its order, compiled for rows.
    """

    address: ResourceAddress
    depends_on: tuple[ResourceAddress, ...]
    place: Place
    source: DataSource
    id_column: NeededColumn
    parts: tuple[Part, ...]
    description: str = ""
    owner: str = ""

    def columns_needed(self) -> tuple[NeededColumn, ...]:
        """Return every column that the spec speaks of, once each, in its order."""
        needed = {self.id_column.name: self.id_column}
        for part in self.parts:
            for column in part.columns:
                needed.setdefault(column, NeededColumn(column, part.asked_at))
        return tuple(needed.values())


class Reading:
    """Collects what one row of a resource asks for, and everything that is wrong with it."""

    __slots__ = ("_address", "_problems", "_row")

    def __init__(self, address: ResourceAddress, row: Row) -> None:
        self._address = address
        self._row = row
        self._problems: list[Problem] = []

    def id(self, column: str) -> str:
        """Return the id in *column*; empty text if it is no good, which is then a problem of this row."""
        try:
            return checked_id(self._row.values.get(column), column)
        except CellError as error:
            self._add(error, None)
            return ""

    def optional_id(self, column: str) -> str:
        """Return the id in *column*, empty text where the cell is empty."""
        return self.id(column) if is_supplied(self._row.values.get(column)) else ""

    def cell(self, cell: Cell, asked_at: Place) -> Json:
        """Return what *cell* reads, or None where the row supplies nothing, or something wrong."""
        try:
            return cell.read(self._row.values)
        except CellError as error:
            self._add(error, asked_at)
            return None

    def desires(self, parts: Iterable[Part], values: Mapping[str, Json], row_id: str) -> tuple[Desire, ...]:
        wishes: list[Desire] = []
        for part in parts:
            try:
                wish = part.desire(values, row_id)
            except CellError as error:
                self._add(error, part.asked_at)
            else:
                if wish is not None:
                    wishes.append(wish)
        return tuple(wishes)

    def finish(self) -> None:
        """
        Raises:
            RowError: something was wrong with the row.
        """
        if self._problems:
            raise RowError(self._problems)

    def _add(self, error: CellError, asked_at: Place | None) -> None:
        self._problems.append(
            Problem(self._row.place, error.message, error.hint, address=str(self._address), also=asked_at)
        )


def checked_id(value: Json, column: str) -> str:
    """
    Return *value* if it is a userId or deviceId.

    Raises:
        CellError: it is not text, empty, too long, or has blanks around it.
    """
    match value:
        case None | "":
            raise CellError(f"the id in column {column} is missing", "Every row needs one.")
        case str() if len(value) > ID_LENGTH:
            raise CellError(
                f"the id in column {column} is longer than {ID_LENGTH} characters", "The API refuses it."
            )
        case str() if value != value.strip():
            raise CellError(
                f"the id in column {column} has blanks before or after it",
                "They would be part of the id: remove them.",
            )
        case str():
            return value
        case _:
            raise CellError(
                f"the id in column {column} is not text", 'Ids are text: write it in quotes, such as "00123".'
            )
