"""What each line of a spec asks of a row: compiled once, run for every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from leanplum_sync.problem import Place
from leanplum_sync.resources.cells import Cell
from leanplum_sync.resources.desire import (
    AlterList,
    Desire,
    IncrementAttribute,
    SetAttribute,
    SetDeviceField,
    SetProfileField,
)
from leanplum_sync.resources.row import CellError
from leanplum_sync.wire.action import Json


class Part(Protocol):
    @property
    def asked_at(self) -> Place: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    def desire(self, values: Mapping[str, Json], row_id: str) -> Desire | None:
        """
        Return what is asked for the row *row_id* (a userId or deviceId), or None where the row supplies nothing.

        Raises:
            CellError: a cell holds something else than the spec says.
        """


@dataclass(frozen=True, slots=True)
class Always:
    """The same for every row."""

    wish: Desire
    columns: tuple[str, ...] = ()

    @property
    def asked_at(self) -> Place:
        return self.wish.asked_at

    def desire(self, values: Mapping[str, Json], row_id: str) -> Desire:  # noqa: ARG002 - the protocol's arguments
        return self.wish


@dataclass(frozen=True, slots=True)
class AttributePart:
    name: str
    cell: Cell
    asked_at: Place
    only_if_absent: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.cell.column,)

    def desire(self, values: Mapping[str, Json], row_id: str) -> SetAttribute | None:  # noqa: ARG002 - as above
        value = self.cell.read(values)
        return None if value is None else SetAttribute(self.name, value, self.asked_at, self.only_if_absent)


@dataclass(frozen=True, slots=True)
class ProfilePart:
    name: str
    cell: Cell
    asked_at: Place
    only_if_absent: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.cell.column,)

    def desire(self, values: Mapping[str, Json], row_id: str) -> SetProfileField | None:  # noqa: ARG002 - as above
        value = self.cell.read(values)
        return (
            None if value is None else SetProfileField(self.name, value, self.asked_at, self.only_if_absent)
        )


@dataclass(frozen=True, slots=True)
class ListPart:
    """*add* and *remove* are values that are the same for every row, or a cell."""

    name: str
    add: Cell | tuple[Json, ...]
    remove: Cell | tuple[Json, ...]
    asked_at: Place

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(side.column for side in (self.add, self.remove) if isinstance(side, Cell))

    def desire(self, values: Mapping[str, Json], row_id: str) -> AlterList | None:  # noqa: ARG002 - as above
        add, remove = _items(self.add, values), _items(self.remove, values)
        if any(item in remove for item in add):
            raise CellError(
                f"attribute {self.name} is to gain and to lose the same value",
                "Leave it in one of the two columns.",
            )
        return AlterList(self.name, add, remove, self.asked_at) if add or remove else None


def _items(side: Cell | tuple[Json, ...], values: Mapping[str, Json]) -> tuple[Json, ...]:
    return tuple(side.read(values) or ()) if isinstance(side, Cell) else side


@dataclass(frozen=True, slots=True)
class IncrementPart:
    name: str
    cell: Cell
    once: str
    asked_at: Place

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.cell.column,)

    def desire(self, values: Mapping[str, Json], row_id: str) -> IncrementAttribute | None:  # noqa: ARG002 - as above
        """An increment by 0 asks for nothing."""
        amount = self.cell.read(values)
        return IncrementAttribute(self.name, amount, self.once, self.asked_at) if amount else None


@dataclass(frozen=True, slots=True)
class DevicePart:
    """*source* is a cell, or the text that every device gets."""

    name: str
    source: Cell | str
    asked_at: Place

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.source.column,) if isinstance(self.source, Cell) else ()

    def desire(self, values: Mapping[str, Json], row_id: str) -> SetDeviceField | None:
        value = self.source.read(values) if isinstance(self.source, Cell) else self.source
        return None if value is None else SetDeviceField(row_id, self.name, value, self.asked_at)
