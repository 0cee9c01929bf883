"""The line of a spec about one channel or category, compiled once and run for every row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from leanplum_sync.kinds.rows.cells import Cell, is_supplied
from leanplum_sync.kinds.rows.desires import SetSubscription
from leanplum_sync.kinds.rows.row import CellError
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import START_OF_2000, ConversionError, ValueType, convert, epoch_seconds
from leanplum_sync.wire.subscription import SUBSCRIBED, UNSUBSCRIBED

UNCHANGED: Final = "unchanged"
STATES: Final = (UNSUBSCRIBED, SUBSCRIBED, UNCHANGED)


@dataclass(frozen=True, slots=True)
class Consent:
    """The column with the dates of consents. *now*, in epoch seconds, is when the specs were read: no consent is later."""

    column: str
    asked_at: Place
    now: float

    def given_at(self, values: Mapping[str, Json]) -> float:
        """
        Return when the row's user consented, in epoch seconds.

        Raises:
            CellError: the cell holds no date, one in the future, or one that stands for no date.
        """
        value = values.get(self.column)
        if not is_supplied(value):
            raise CellError(
                f"the row re-subscribes its user, but has no consent in column {self.column}",
                "Enter the date of the consent, or don't re-subscribe the user.",
            )
        try:
            # A date only: a number such as 1 is a flag, and says nothing about when.
            given_at = epoch_seconds(convert(value, ValueType.DATE))
        except ConversionError as error:
            raise CellError(
                f"the consent in column {self.column} is not {error.expected}",
                "Enter the date of the consent, such as 2026-11-30.",
            ) from None
        if given_at > self.now:
            raise CellError(
                f"the consent in column {self.column} is in the future",
                "Correct the date. Without an offset, it is in UTC.",
            )
        if given_at < START_OF_2000:
            raise CellError(
                f"the consent in column {self.column} is from before 2000, so it probably stands for no date",
                "Enter the date of the consent, or don't re-subscribe the user.",
            )
        return given_at


@dataclass(frozen=True, slots=True)
class SubscriptionPart:
    """*source* is a cell, or the state that every user gets. *consent* is None if the spec names no column with consents."""

    name: str
    source: Cell | str
    consent: Consent | None
    asked_at: Place

    @property
    def columns(self) -> tuple[NeededColumn, ...]:
        own = (NeededColumn(self.source.column, self.asked_at),) if isinstance(self.source, Cell) else ()
        consent = (NeededColumn(self.consent.column, self.consent.asked_at),) if self.consent else ()
        return (*own, *consent)

    def desire(self, values: Mapping[str, Json], row_id: str) -> SetSubscription | None:  # noqa: ARG002 - as every part
        state = self._state(values)
        if state is None:
            return None
        return SetSubscription(self.name, state, self._consented_at(values, state), self.asked_at)

    def readers(self) -> Iterator[tuple[Place, Callable[[Mapping[str, Json]], object]]]:
        yield self.asked_at, self._state
        if self.consent is not None:
            yield self.consent.asked_at, self._consent_if_needed

    def _state(self, values: Mapping[str, Json]) -> str | None:
        state = self.source.read(values) if isinstance(self.source, Cell) else self.source
        if state == SUBSCRIBED and self.consent is None:
            raise CellError(
                "the row re-subscribes its user, but the spec has no `consent`",
                "Name the column with the dates of the consents: consent: {column: consented_at}.",
            )
        return None if state is None or state == UNCHANGED else str(state)

    def _consented_at(self, values: Mapping[str, Json], state: str) -> float | None:
        return self.consent.given_at(values) if self.consent is not None and state == SUBSCRIBED else None

    def _consent_if_needed(self, values: Mapping[str, Json]) -> None:
        """Report the consent apart from the state: it is one mistake, however many channels need it."""
        try:
            state = self._state(values)
        except CellError:
            return  # reported by itself
        if state is not None:
            self._consented_at(values, state)
