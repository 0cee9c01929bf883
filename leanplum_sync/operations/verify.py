"""Verifies a run: reads users back and compares them with the plan."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.client.throttle import Pace
from leanplum_sync.clock import Clock
from leanplum_sync.observed.crew import Crew
from leanplum_sync.observed.users import Reading, ReadsUsers, Shown, Unread, Withheld
from leanplum_sync.planner.change import Change, Changes, Effect, effect_of, facts
from leanplum_sync.planner.standing import Standing, standings
from leanplum_sync.progress import Progress
from leanplum_sync.wire.erasing import is_blocked
from leanplum_sync.wire.fingerprint import fingerprint
from leanplum_sync.wire.profile import read_profile

_SUBJECTS_AT_ONCE: Final = 200
_DIFFERENCES_NAMED: Final = 1000


@dataclass(frozen=True, slots=True)
class Difference:
    """*fields* are named without their values."""

    subject: Subject
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """
    Each of the *checked* subjects is one billable lookup. *equal* are as desired, *different* are not, and *unread* could not
    be read. *unproven* counts equal subjects with a change that the API doesn't show, such as a push token.

    *differing* names the first 1,000 of the different. *again* were requested twice, because a response for
    several subjects was unusable; they may be billed twice. *things* counts the checked things of the app, *thing_kinds* are their kinds.
    """

    checked: int
    equal: int
    different: int
    unread: int
    unproven: int
    differing: tuple[Difference, ...]
    again: int = 0
    things: int = 0
    thing_kinds: frozenset[SubjectKind] = frozenset()

    @property
    def is_proof(self) -> bool:
        return not self.different and not self.unread


def verify(
    plan: Changes,
    reader: ReadsUsers,
    *,
    sample: int | None,
    clock: Clock,
    progress: Progress,
    concurrency: int = 8,
    requests_per_second: float | None = None,
    together: int = 1,
    leave_out: Callable[[Sequence[Subject]], Collection[Subject]] = lambda _: (),
    keep: Callable[[Shown], None] = lambda _: None,
) -> Verification:
    """
    Read changed subjects back, all or *sample* of them, and compare. Each subject is read once, up to *together* of them in
    one request if the API can.

    The sample is chosen by a hash of the subject: it is spread evenly, and the same each time. *leave_out* returns
    the subjects to skip, because the run already knows that they are not as desired. *keep* gets each response, in this thread. Sends can't be read back.

    Raises:
        CredentialError: the data export key is missing or refused.
    """
    pace = Pace(concurrency=concurrency, requests_per_second=requests_per_second, clock=clock)
    subjects = plan.subjects() if sample is None else iter(_in_order_of_hash(plan.subjects(), sample))
    stopping = threading.Event()
    reading = Reading(reader, pace, clock, together=together, must_end=stopping.is_set)
    crew = Crew(partial(_check, reading), concurrency, stopping)
    candidates = islice(_verifiable(plan, subjects, leave_out), sample)
    tally = _Tally()
    with progress.track("Verifying", sample, "user") as task:
        try:
            for seen in crew.answers(map(dict, reading.groups(candidates))):
                tally.add(seen)
                if seen.answer is not None:
                    keep(seen.answer)
                task.advance()
        finally:
            crew.stop()
    return tally.verification()


@dataclass(frozen=True, slots=True)
class _Seen:
    """*fields* that differ, None if the subject could not be read."""

    subject: Subject
    fields: tuple[str, ...] | None
    lookups: int
    is_proven: bool = True
    answer: Shown | None = None


class _Tally:
    def __init__(self) -> None:
        self._kinds: set[SubjectKind] = set()
        self._things = self._checked = self._different = self._unread = self._unproven = self._again = 0
        self._differing: list[Difference] = []

    def add(self, seen: _Seen) -> None:
        self._checked += 1
        if seen.subject.kind.is_thing:
            self._things += 1
            self._kinds.add(seen.subject.kind)
        self._again += seen.lookups - 1
        if seen.fields is None:
            self._unread += 1
        elif seen.fields:
            self._different += 1
            if len(self._differing) < _DIFFERENCES_NAMED:
                self._differing.append(Difference(seen.subject, seen.fields))
        else:
            self._unproven += not seen.is_proven

    def verification(self) -> Verification:
        return Verification(
            checked=self._checked,
            equal=self._checked - self._different - self._unread,
            different=self._different,
            unread=self._unread,
            unproven=self._unproven,
            differing=tuple(sorted(self._differing, key=lambda difference: difference.subject)),
            again=self._again,
            things=self._things,
            thing_kinds=frozenset(self._kinds),
        )


def _check(reading: Reading, group: Mapping[Subject, Sequence[Change]]) -> Iterator[_Seen]:
    return (_seen(answer, group[answer.subject]) for answer in reading.try_to_read(group))


def _seen(answer: Shown | Withheld | Unread, changes: Sequence[Change]) -> _Seen:
    if isinstance(answer, Withheld) and _is_erased(answer, changes):
        return _Seen(answer.subject, (), answer.lookups)
    if not isinstance(answer, Shown):
        return _Seen(answer.subject, None, answer.lookups)
    seen = standings(changes, read_profile(answer.element))
    differing = sorted(
        {
            f"{change.device_id}/{change.field}" if change.device_id else change.field
            for change, standing in seen
            if standing.is_different
        }
    )
    is_proven = all(standing is Standing.REACHED for _, standing in seen)
    return _Seen(answer.subject, tuple(differing), answer.lookups, is_proven, answer)


def _is_erased(answer: Withheld, changes: Sequence[Change]) -> bool:
    """Whether the user was to be erased, and is blocked."""
    is_asked = all(effect_of(change.kind) is Effect.ABSENCE for change in changes)
    return is_asked and is_blocked(answer.error.reason)


def _in_order_of_hash(subjects: Iterable[Subject], sample: int) -> Sequence[Subject]:
    # Some more than needed, because subjects with nothing to read are skipped.
    return heapq.nsmallest(4 * sample, subjects, key=lambda subject: fingerprint("sample", str(subject)))


def _verifiable(
    plan: Changes, subjects: Iterator[Subject], leave_out: Callable[[Sequence[Subject]], Collection[Subject]]
) -> Iterator[tuple[Subject, Sequence[Change]]]:
    while page := tuple(islice(subjects, _SUBJECTS_AT_ONCE)):
        left_out = leave_out(page)
        changes = plan.changes_of(page)
        for subject in page:
            readable = [change for change in changes.get(subject, ()) if facts(change.kind).is_readable]
            if readable and subject not in left_out:
                yield subject, readable
