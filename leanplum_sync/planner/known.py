"""What the journal has recorded about a subject. A plan is made from this, the desired state and the observed state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from leanplum_sync.address import Subject
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.event import import_of, under


@dataclass(frozen=True, slots=True)
class Sent:
    """
    When a delivery was sent last, in epoch seconds, and the id of its message.

    *message* is None for increments, and for sends of which an old journal doesn't know it.
    """

    message: int | None
    at: float | None


@dataclass(frozen=True, slots=True)
class Known:
    """
    *delivered* maps the name of every send and increment that went out, may have gone out, or is held, to the document
    (``kind/name``) that asked for it.

    *held* says which run holds it, where one does, until a person decides.

    *sent* has more about each of *delivered*, except deliveries that a person decided will never be sent.

    *former* maps the name of a delivery that the subject had under another name to that name. Such a delivery is also in
    *delivered*, and in *held* if it is held.

    *fingerprints* maps ``(deviceId, field)`` to the fingerprint of the value that was last accepted.

    *unsubscribed* is when a run last unsubscribed the user, in epoch seconds, by channel and category. Only for users who may be
    re-subscribed.

    *erased_by* is the run that erased the user, None if none did. *is_cleaned*: what the project kept about the user was deleted, too.
    """

    delivered: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[tuple[str, str], str] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    former: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, Sent] = field(default_factory=dict)
    unsubscribed: Mapping[str, float] = field(default_factory=dict)
    erased_by: int | None = None
    is_cleaned: bool = False

    def with_moved(self, names: Mapping[str, Sequence[str]]) -> Known:
        """Return the same, where deliveries are also known under their new names. *names* maps each to all former ones."""
        if not names:
            return self
        names = {**names, **self._moved_events(names)}
        moved = {
            name: next((each for each in formers if each in self.held), "")
            or next((each for each in formers if each in self.delivered), "")
            for name, formers in names.items()
            if name not in self.delivered
        }
        former = {name: each for name, each in moved.items() if each}
        if not former:
            return self
        held = {name: self.held[each] for name, each in former.items() if each in self.held}
        delivered = {name: self.delivered[each] for name, each in former.items()}
        return replace(
            self, delivered={**self.delivered, **delivered}, held={**self.held, **held}, former=former
        )

    def _moved_events(self, names: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return the new name of each event whose import was renamed, and its former ones."""
        found: dict[str, list[str]] = {}
        for each in self.delivered:
            if imported_as := import_of(each):
                for name, formers in names.items():
                    if imported_as in formers:
                        found.setdefault(under(name, each), []).append(each)
        return found


NOTHING_KNOWN: Final = Known()


@dataclass(frozen=True, slots=True)
class Position:
    """
    Which of an app's writes a journal had recorded when live state was read; later ones may have changed that state.

    All runs after number *run* are later. *unfinished* are runs up to that number that could still be resumed, with the
    requests that each had sent. If such a run has sent more since, all its writes count as later, because nothing tells them
    apart without comparing clocks.
    """

    run: int
    unfinished: Mapping[int, int] = field(default_factory=dict)


NO_RUN: Final = Position(0)


@dataclass(frozen=True, slots=True)
class JournalMark:
    """
    Which journal it is, and how far it had got.

    *number* grows with each run that begins and each time that sends or increments are about to be sent, and never falls.
    """

    id: str
    number: int


class KnowsDeliveries(Protocol):
    """The journal, as planning sees it."""

    def mark(self) -> JournalMark | None:
        """Return the mark of the journal now, None if there is no journal."""

    def known(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Known]: ...

    def unsubscriptions(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Mapping[str, float]]:
        """Return when runs last unsubscribed each of *subjects*, in epoch seconds, by channel and category."""

    def recipients(self, app: str, names: Sequence[str]) -> Mapping[str, int]: ...

    def rejected_before(self, app: str, actions: Mapping[Subject, Sequence[Action]]) -> frozenset[Subject]:
        """Return which subjects have one of *actions* that the API rejected when it was last asked to write to them."""

    def last_run(self) -> int:
        """Return the number of the latest run of any app, 0 if there is none."""

    def position(self, app: str, read_since: float | None = None) -> Position:
        """
        Return the position of *app* now, or, with *read_since*, a safe one for live state that was read from then on.

        *read_since* is in epoch seconds, by the clock of the machine that read. A position that is too early only costs reads.
        """

    def unsettled(self, app: str, settle_seconds: float, now: float) -> Mapping[Subject, float]:
        """
        Return whose attributes or devices a request may still change, its response lost or not there yet, and until when.

        *now* and the result are by this machine's clock. *settle_seconds* is how long a lost request may take effect.
        """
