"""The lines of a spec, compiled once and run for every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal, TypeAlias

from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.cells import Cell
from leanplum_sync.kinds.rows.desires import Desire
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.row import CellError, checked_key
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import START_OF_2000
from leanplum_sync.wire.event import MOST_DAYS, MOST_SECONDS

Reader: TypeAlias = Callable[[Mapping[str, Json]], object]  # raises CellError

_REMEMBERED: Final = 10_000  # texts for each column


@dataclass(frozen=True, slots=True)
class Always:
    """The same for every row."""

    wish: Desire
    columns: tuple[NeededColumn, ...] = ()

    def desire(self, values: Mapping[str, Json], row_id: str) -> Desire:  # noqa: ARG002 - as every part
        return self.wish

    def readers(self) -> Iterator[tuple[Place, Reader]]:
        return iter(())


CellWish: TypeAlias = desires.SetAttribute | desires.SetProfileField | desires.IncrementAttribute


@dataclass(frozen=True, slots=True)
class CellPart:
    """
    *wish*, with a cell's value in place of its own.

    A column holds few different texts for many rows, so the desires made of them are cached, up to a limit.
    """

    cell: Cell
    wish: CellWish
    _made: dict[str, Desire | None] = field(default_factory=dict, compare=False, repr=False)

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        return (NeededColumn(self.cell.column, self.wish.asked_at),)

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

    def readers(self) -> Iterator[tuple[Place, Reader]]:
        yield self.wish.asked_at, self._make

    def _make(self, values: Mapping[str, Json]) -> Desire | None:
        value, wish = self.cell.read(values), self.wish
        if value is None:
            return None
        match wish:
            case desires.SetAttribute():
                return desires.SetAttribute(wish.name, value, wish.asked_at, wish.only_if_absent)
            case desires.SetProfileField():
                return desires.SetProfileField(wish.name, value, wish.asked_at, wish.only_if_absent)
            case desires.IncrementAttribute():
                # An increment by 0 asks for nothing.
                return (
                    desires.IncrementAttribute(wish.name, value, wish.once, wish.asked_at) if value else None
                )


@dataclass(frozen=True, slots=True)
class ListPart:
    """*add* and *remove* are values that are the same for every row, or a cell."""

    name: str
    add: Cell | tuple[Json, ...]
    remove: Cell | tuple[Json, ...]
    asked_at: Place

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        return tuple(
            NeededColumn(side.column, self.asked_at)
            for side in (self.add, self.remove)
            if isinstance(side, Cell)
        )

    def desire(self, values: Mapping[str, Json], row_id: str) -> desires.AlterList | None:  # noqa: ARG002 - as above
        add, remove = _items(self.add, values), _items(self.remove, values)
        if any(item in remove for item in add):
            raise CellError(
                f"the same value is both added to and removed from attribute {self.name}",
                "Keep it in one of the two columns.",
            )
        return desires.AlterList(self.name, add, remove, self.asked_at) if add or remove else None

    def readers(self) -> Iterator[tuple[Place, Reader]]:
        yield self.asked_at, partial(self.desire, row_id="")


def _items(side: Cell | tuple[Json, ...], values: Mapping[str, Json]) -> tuple[Json, ...]:
    return tuple(side.read(values) or ()) if isinstance(side, Cell) else side


@dataclass(frozen=True, slots=True)
class DevicePart:
    """*source* is a cell, or the text that every device gets."""

    name: str
    source: Cell | str
    asked_at: Place

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        return (NeededColumn(self.source.column, self.asked_at),) if isinstance(self.source, Cell) else ()

    def desire(self, values: Mapping[str, Json], row_id: str) -> desires.SetDeviceField | None:
        value = self.source.read(values) if isinstance(self.source, Cell) else self.source
        return None if value is None else desires.SetDeviceField(row_id, self.name, value, self.asked_at)

    def readers(self) -> Iterator[tuple[Place, Reader]]:
        yield self.asked_at, partial(self.desire, row_id="")


@dataclass(frozen=True, slots=True)
class MessageReference:
    """How the spec names the message: by exactly one of name and id. *place* is the line that does."""

    name: str | None
    id: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A value of a message or an event: a cell, or the same for every row."""

    name: str
    source: Cell | Json
    asked_at: Place

    def read(self, values: Mapping[str, Json]) -> Json:
        """
        Return the value for a row, or None if the row has none.

        Raises:
            CellError: the cell holds something else than the spec says.
        """
        return self.source.read(values) if isinstance(self.source, Cell) else self.source


class OncePart:
    """A part that asks for something that happens at most once, see ``desires.Once``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SendPart(OncePart):
    """Send *message* to each row's user, with the *values* that the row has."""

    message: MessageReference
    delivery: str
    values: tuple[NamedValue, ...]
    force: bool

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        return tuple(_columns(*self.values))

    def desire(self, values: Mapping[str, Json], row_id: str) -> desires.Send:  # noqa: ARG002 - as above
        found = {value.name: read for value in self.values if (read := value.read(values)) is not None}
        return desires.Send(self.delivery, found, self.force, self.message.place)

    def readers(self) -> Iterator[tuple[Place, Reader]]:
        return ((value.asked_at, value.read) for value in self.values)


@dataclass(frozen=True, slots=True)
class EventPart(OncePart):
    """
    Track an event for each row's user. *key* is the column with the row's key, None if the spec doesn't say, which is a problem;
    *value* and *currency* are None if there is none.

    Times are compared with *now*, in epoch seconds. Events that are too old are added to totals if *totals* allows it.
    """

    imported_as: str
    key: NeededColumn | None
    event: NamedValue
    time: NamedValue
    value: NamedValue | None
    currency: NamedValue | None
    parameters: tuple[NamedValue, ...]
    totals: Literal["none", "old", "all"]
    now: float

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        optional = (each for each in (self.value, self.currency, *self.parameters) if each is not None)
        return (*self.required, *_columns(*optional))

    @property
    def required(self) -> tuple[NeededColumn, ...]:
        """The columns that no row may leave empty."""
        return (*([self.key] if self.key else []), *_columns(self.event, self.time))

    def desire(self, values: Mapping[str, Json], row_id: str) -> desires.TrackEvent:  # noqa: ARG002 - as above
        time = self._time(values)
        as_total = self.totals == "all" or (self.totals == "old" and self._is_old(time))
        found = {each.name: read for each in self.parameters if (read := each.read(values)) is not None}
        return desires.TrackEvent(
            self._event(values),
            self.imported_as,
            self._key(values),
            time,
            None if self.value is None else self.value.read(values),
            None if self.currency is None else self.currency.read(values),
            {} if as_total else found,
            as_total,
            self.event.asked_at,
        )

    def readers(self) -> Iterator[tuple[Place, Reader]]:
        if self.key is not None:
            yield self.key.place, self._key
        yield self.event.asked_at, self._event
        yield self.time.asked_at, self._time
        for each in (self.value, self.currency, *self.parameters):
            if each is not None:
                yield each.asked_at, each.read

    def _key(self, values: Mapping[str, Json]) -> str:
        return "" if self.key is None else checked_key(values.get(self.key.name), self.key.name)

    def _event(self, values: Mapping[str, Json]) -> str:
        name: str | None = self.event.read(values)
        if name is None:
            raise CellError(f"the event in {_named(self.event)} is missing", "Every row needs an event.")
        return name

    def _time(self, values: Mapping[str, Json]) -> float:
        time: float | None = self.time.read(values)
        if time is None:
            raise CellError(
                f"the time in {_named(self.time)} is missing",
                "Every event needs its time. Without it, Leanplum would take the time of the import.",
            )
        if time < START_OF_2000:
            # It could not be corrected: the first time of an event in a profile only ever gets earlier.
            raise CellError(
                f"the time in {_named(self.time)} is from before 2000, so it probably stands for no time",
                "Enter the time of the event, or remove the row.",
            )
        if time > self.now:
            raise CellError(f"the time in {_named(self.time)} is in the future", "Import past events only.")
        if self.totals == "none" and self._is_old(time):
            raise CellError(
                f"the time in {_named(self.time)} is more than {MOST_DAYS} days ago",
                "Leanplum would record it as happening now. Remove the row, or write `totals: old`.",
            )
        return time

    def _is_old(self, time: float) -> bool:
        return self.now - time > MOST_SECONDS


def _columns(*values: NamedValue) -> Iterator[NeededColumn]:
    return (
        NeededColumn(each.source.column, each.asked_at) for each in values if isinstance(each.source, Cell)
    )


def _named(value: NamedValue) -> str:
    return f"column {value.source.column}" if isinstance(value.source, Cell) else "the spec"


# Each part has `columns`, the columns that it reads; `desire`, which returns what is asked for the row *row_id* (a userId or
# deviceId), None if the row has no value for it, and raises CellError for a bad cell; and `readers`, which can each raise
# CellError by themselves, so that every problem of a row is found.
Part: TypeAlias = (
    Always | CellPart | ListPart | DevicePart | SubscriptionPart | SendPart | EventPart | ErasePart
)
