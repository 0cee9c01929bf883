"""What each line of a spec asks of a row: compiled once, run for every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from leanplum_sync.kinds.rows.cells import Cell
from leanplum_sync.kinds.rows.desire import (
    AlterList,
    Desire,
    IncrementAttribute,
    SetAttribute,
    SetDeviceField,
    SetProfileField,
)
from leanplum_sync.kinds.rows.row import CellError
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json

_REMEMBERED: Final = 10_000  # texts for each column


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
class AttributeWish:
    name: str
    asked_at: Place
    only_if_absent: bool = False

    def __call__(self, value: Json) -> SetAttribute:
        return SetAttribute(self.name, value, self.asked_at, self.only_if_absent)


@dataclass(frozen=True, slots=True)
class ProfileWish:
    name: str
    asked_at: Place
    only_if_absent: bool = False

    def __call__(self, value: Json) -> SetProfileField:
        return SetProfileField(self.name, value, self.asked_at, self.only_if_absent)


@dataclass(frozen=True, slots=True)
class IncrementWish:
    name: str
    once: str
    asked_at: Place

    def __call__(self, amount: Json) -> IncrementAttribute | None:
        """An increment by 0 asks for nothing."""
        return IncrementAttribute(self.name, amount, self.once, self.asked_at) if amount else None


Wish: TypeAlias = AttributeWish | ProfileWish | IncrementWish


@dataclass(frozen=True, slots=True)
class CellPart:
    """
    What *wish* makes of a cell's value.

    Columns hold few different texts for many rows, so what became of each is remembered, up to a limit.
    """

    cell: Cell
    asked_at: Place
    wish: Wish
    _made: dict[str, Desire | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.cell.column,)

    def desire(self, values: Mapping[str, Json], row_id: str) -> Desire | None:  # noqa: ARG002 - as above
        text = values.get(self.cell.column)
        if type(text) is not str:  # 1, 1.0 and True are one key of a dict
            return self._make(values)
        try:
            return self._made[text]
        except KeyError:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            made = self._made[text] = self._make(values)
            return made

    def _make(self, values: Mapping[str, Json]) -> Desire | None:
        value = self.cell.read(values)
        return None if value is None else self.wish(value)


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
