"""Reads users at a limited rate: many with one request if the API supports it, otherwise one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol, TypeVar

from leanplum_sync.address import Subject
from leanplum_sync.client.throttle import Pace
from leanplum_sync.clock import Clock
from leanplum_sync.errors import ApiError, NotSentError, RateLimitedError, RejectedError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.user_batch import UserBatch, unread

T = TypeVar("T")


class ReadsUsers(Protocol):
    def export_user(self, subject: Subject, *, on_rate_limit: Callable[[], None]) -> Mapping[str, Json]:
        """Return the exportUser element of *subject*. Retries if that can help, and reports each 429."""

    def export_users(self, subjects: Sequence[Subject], *, on_rate_limit: Callable[[], None]) -> UserBatch:
        """The same for several, with one request. Things of the app are all of one kind."""


@dataclass(frozen=True, slots=True)
class Shown:
    """*element* is at least as new as *observed_at*. Two *lookups*: read in a batch first, then again alone."""

    subject: Subject
    element: Mapping[str, Json]
    observed_at: float
    lookups: int = 1


@dataclass(frozen=True, slots=True)
class Withheld:
    """The API refused to show this user; others are not affected."""

    subject: Subject
    error: RejectedError
    lookups: int = 1


@dataclass(frozen=True, slots=True)
class Unread:
    """It could not be read, for a reason that others may share."""

    subject: Subject
    error: ApiError
    lookups: int = 1


@dataclass(slots=True)
class Bill:
    """How many *lookups* may have been billed, successful or not."""

    lookups: int = 0


_NOT_BILLED: Final = (RateLimitedError, NotSentError)
_BAD_ENOUGH: Final = 3


class Reading:
    """
    Shared by the threads that read. Up to *together* users are read with one request, until the API refuses that or three
    answers in a row are lost, unreadable, or server errors.

    Users in a failed request are billed twice. So there is only one such request at a time until one succeeds, and again after
    each failure.
    """

    def __init__(
        self,
        reader: ReadsUsers,
        pace: Pace,
        clock: Clock,
        *,
        together: int = 1,
        must_end: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reader, self._pace, self._clock, self._must_end = reader, pace, clock, must_end
        self._at_once = max(1, together)
        self._bad_in_a_row = 0
        self._is_trusted = self._is_probing = False

    def groups(self, things: Iterable[T]) -> Iterator[tuple[T, ...]]:
        """Split *things* into groups of the size that is currently read with one request."""
        stream = iter(things)
        while group := tuple(islice(stream, self._at_once)):
            yield group

    def read(self, subjects: Iterable[Subject], bill: Bill | None = None) -> Iterator[Shown | Withheld]:
        """
        Yield a response for each of *subjects*, in no particular order, and stop when the run must end. *bill* counts what was
        billed, also if this ends early.

        Raises:
            CredentialError: the key is missing, wrong, or of the wrong class.
            ApiError: a user could not be read, for a reason that may affect others.
        """
        for answer in self.try_to_read(subjects, bill):
            if isinstance(answer, Unread):
                raise answer.error
            yield answer

    def try_to_read(
        self, subjects: Iterable[Subject], bill: Bill | None = None
    ) -> Iterator[Shown | Withheld | Unread]:
        """Like ``read``, but yield users that could not be read instead of raising."""
        bill = bill or Bill()
        for group in self.groups(subjects):
            if self._must_end():
                return
            if any(subject.kind.is_thing for subject in group):
                yield from self._with_things(group, bill)
            elif len(group) > 1:
                yield from self._together(group, bill)
            else:
                yield from self._alone(group[0], bill)

    def _with_things(self, subjects: Sequence[Subject], bill: Bill) -> Iterator[Shown | Withheld | Unread]:
        """Read things of the app, kind by kind, and then the users among *subjects*."""
        for kind in dict.fromkeys(subject.kind for subject in subjects if subject.kind.is_thing):
            yield from self._things([subject for subject in subjects if subject.kind is kind], bill)
        users = [subject for subject in subjects if not subject.kind.is_thing]
        if len(users) > 1:
            yield from self._together(users, bill)
        elif users:
            yield from self._alone(users[0], bill)

    def _things(self, subjects: Sequence[Subject], bill: Bill) -> Iterator[Shown | Unread]:
        try:
            with self._pace.turn():
                if self._must_end():
                    return
                began = self._clock.now()
                batch = self._reader.export_users(subjects, on_rate_limit=self._pace.refused)
        except ApiError as error:
            yield from (Unread(subject, error) for subject in subjects)
            return
        self._pace.answered()
        bill.lookups += batch.was_billed
        for subject, element in zip(subjects, batch.elements, strict=True):
            assert element is not None  # noqa: S101 - each thing has one
            yield Shown(subject, element, began)

    def _together(self, subjects: Sequence[Subject], bill: Bill) -> Iterator[Shown | Withheld | Unread]:
        try:
            with self._one_at_a_time_until_trusted():
                began, batch = self._ask_together(subjects)
        except ApiError as error:
            yield from (Unread(subject, error) for subject in subjects)
            return
        bill.lookups += sum(batch.was_billed or element is not None for element in batch.elements)
        left = []
        for subject, element in zip(subjects, batch.elements, strict=True):
            if element is None:
                left.append(subject)
            else:
                yield Shown(subject, element, began)
        for subject in left:
            yield from self._alone(subject, bill, lookups=1 + batch.was_billed)

    def _ask_together(self, subjects: Sequence[Subject]) -> tuple[float, UserBatch]:
        with self._pace.turn():
            began = self._clock.now()
            if self._at_once == 1 or self._must_end():  # since this one waits
                return began, unread(subjects, works=False, was_billed=False)
            batch = self._reader.export_users(subjects, on_rate_limit=self._pace.refused)
        self._pace.answered()
        self._learn_from(batch)
        return began, batch

    def _learn_from(self, batch: UserBatch) -> None:
        with self._pace.changed:
            self._is_trusted = any(element is not None for element in batch.elements)
            self._bad_in_a_row = 0 if self._is_trusted else self._bad_in_a_row + 1
            if not batch.works or self._bad_in_a_row >= _BAD_ENOUGH:
                self._at_once = 1  # for the rest of the run

    @contextmanager
    def _one_at_a_time_until_trusted(self) -> Iterator[None]:
        with self._pace.changed:
            self._pace.changed.wait_for(lambda: self._is_trusted or not self._is_probing)
            is_probe = not self._is_trusted
            self._is_probing |= is_probe
        try:
            yield
        finally:
            if is_probe:
                with self._pace.changed:
                    self._is_probing = False
                    self._pace.changed.notify_all()

    def _alone(self, subject: Subject, bill: Bill, lookups: int = 1) -> Iterator[Shown | Withheld | Unread]:
        """Yield the response, or none if the run must end."""
        try:
            with self._pace.turn():
                if self._must_end():
                    return
                # The time before the call: what the response shows is at least that new.
                began = self._clock.now()
                bill.lookups += 1
                element = self._reader.export_user(subject, on_rate_limit=self._pace.refused)
        except _NOT_BILLED as error:
            bill.lookups -= 1
            yield Unread(subject, error, lookups)
        except RejectedError as error:
            yield Withheld(subject, error, lookups)
        except ApiError as error:
            yield Unread(subject, error, lookups)
        else:
            self._pace.answered()
            yield Shown(subject, element, began, lookups)
