"""Handles one batch: recheck, intent, request, answer; and, if it is in doubt, settling it by reading."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeAlias

import orjson

from leanplum_sync.address import Subject
from leanplum_sync.applier.live_state import (
    NEVER,
    NOTHING_LATER,
    by_subject,
    held,
    needs_reading,
    recheck,
    settle,
    settle_unseen,
    unseen,
)
from leanplum_sync.applier.ports import Plan, Stop, Writer
from leanplum_sync.applier.settings import ApplySettings
from leanplum_sync.client.backoff import Randomness, delay_seconds
from leanplum_sync.client.throttle import Pace
from leanplum_sync.clock import Clock
from leanplum_sync.errors import (
    ApiError,
    CredentialError,
    JournalError,
    LockLostError,
    MigrationChangedError,
    NoAnswerError,
    NotSentError,
    RejectedError,
)
from leanplum_sync.journal.entry import BatchEntry, BatchState, Fate
from leanplum_sync.journal.later import LaterWrites
from leanplum_sync.journal.run import SET_ASIDE, RunJournal, open_actions, sent_actions
from leanplum_sync.journal.settling import still_unsettled
from leanplum_sync.journal.verdict import Verdict
from leanplum_sync.observed.users import Bill, Reading, ReadsUsers, Shown
from leanplum_sync.planner.change import Change
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.batch import Batch, PlannedAction
from leanplum_sync.wire.envelope import Answered, BatchAnswer, RefusalKind, Refused, Unreadable
from leanplum_sync.wire.erasing import is_erasing
from leanplum_sync.wire.event import has_wrong_time
from leanplum_sync.wire.fingerprint import fingerprint
from leanplum_sync.wire.outcome import ActionOutcome, Outcome
from leanplum_sync.wire.profile import Profile, read_profile
from leanplum_sync.wire.quiet import quiet
from leanplum_sync.wire.subscription import resubscribed

# How often a wait checks whether the run should end.
_GLANCE_SECONDS: Final = 0.2
_ASKED_TO_END: Final = "the run was stopped before this was sent"
NOT_CHOSEN: Final = "not in the canary; will be sent with the rest"


@dataclass(frozen=True, slots=True)
class Ended:
    """The state of a batch after some work. *rejected* and *mistimed*, events with a wrong time, count some of the *answered* actions."""

    batch: Batch
    state: BatchState
    requests: int = 0
    answered: int = 0
    rejected: int = 0
    mistimed: int = 0


@dataclass(frozen=True, slots=True)
class _NotSent:
    reason: str


@dataclass(frozen=True, slots=True)
class _Observed:
    """*seen* is the live profile, or the error with which the API refused to show it."""

    subject: Subject
    actions: Sequence[PlannedAction]
    changes: Sequence[Change]
    seen: Profile | RejectedError


_Attempt: TypeAlias = BatchAnswer | _NotSent


class Worker:
    """Shared by the threads that process batches. Each batch is processed by one thread at a time."""

    def __init__(
        self,
        plan: Plan,
        *,
        writer: Writer,
        reader: ReadsUsers,
        run: RunJournal,
        later: LaterWrites,
        pace: Pace,
        clock: Clock,
        settings: ApplySettings,
        stop: Stop,
        only: frozenset[Subject] | None = None,
        on_erasing: Callable[[Shown], None] = lambda _: None,
        randomness: Randomness | None = None,
    ) -> None:
        self._plan, self._writer, self._run, self._later = plan, writer, run, later
        self._pace, self._clock, self._settings, self._stop = pace, clock, settings, stop
        self._randomness = randomness or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._only, self._on_erasing = only, on_erasing
        self._asking = threading.Lock()  # a plan is one file, read from several threads
        self._abandoned = threading.Event()
        self._reading = Reading(
            reader, pace, clock, together=settings.together, must_end=lambda: self.must_end
        )

    def abandon(self) -> None:
        """End all waiting: the run ends because of another batch."""
        self._abandoned.set()

    @property
    def must_end(self) -> bool:
        return self._stop.signal_number is not None or self._abandoned.is_set()

    def pause(self, seconds: float) -> bool:
        """Wait; return False if the run must end before."""
        end = self._clock.monotonic() + seconds
        while not self.must_end:
            left = end - self._clock.monotonic()
            if left <= 0:
                return True
            self._clock.sleep(min(left, _GLANCE_SECONDS))
        return False

    def carry_out(self, batch: Batch, entry: BatchEntry | None, *, recheck_first: bool) -> Ended:
        """
        Send the open actions of *batch*.

        First, live state is compared with what the plan assumed: with *recheck_first*, of all subjects;
        otherwise, only of subjects that another run wrote to after the plan was made, or that are re-subscribed or erased.
        """
        aside = {**self._run.set_aside(batch), **self._not_chosen(batch)}
        open_now = open_actions(entry, batch)
        others = self._run.delivered_by_others(batch)
        elsewhere = {p.number: others[p.number] for p in open_now if p.number in others}
        before = {} if self._settings.retry_rejected else self._run.rejected_before(batch)
        elsewhere |= {p.number: before[p.number] for p in open_now if p.number in before}
        found = {number: each for number, each in elsewhere.items() if each.fate is not Fate.IN_DOUBT}
        waiting = {number: each for number, each in elsewhere.items() if each.fate is Fate.IN_DOUBT}
        free = [p for p in open_now if p.number not in elsewhere and p.subject not in aside]
        bill = Bill()
        if rechecked := self._to_recheck(batch, free, everybody=recheck_first):
            try:
                found |= self._recheck(batch, rechecked, bill)
            except ApiError as error:
                self._run.park(batch, _unseen(error), reads=bill.lookups)
                return Ended(batch, BatchState.PARKED)
        if self.must_end:
            return Ended(batch, BatchState.PLANNED)
        sending = [planned for planned in free if planned.number not in found]
        if not sending:
            reason = next(iter(aside.values()), "")
            state = self._run.record_found(batch, found, reason, waiting=waiting, reads=bill.lookups)
            return Ended(batch, state)
        reason = next(iter(aside.values()), SET_ASIDE)
        return self._send(batch, sending, found, bill.lookups, rest_waits=reason, waiting=waiting)

    def _not_chosen(self, batch: Batch) -> Mapping[Subject, str]:
        return {} if self._only is None else dict.fromkeys(batch.subjects - self._only, NOT_CHOSEN)

    def settle(self, batch: Batch) -> Ended:
        """
        Settle a batch in doubt by reading live state, and send again what was not carried out.

        Reading begins after the settle window: until then the lost request may still take effect.
        """
        entry = self._run.entries(batch.number, batch.number)[batch.number]
        doubted = sent_actions(entry, batch)
        verdicts = {planned.number: held(planned) for planned in doubted if not needs_reading(planned)}
        readable = [planned for planned in doubted if needs_reading(planned)]
        bill = Bill()
        if readable:
            left = still_unsettled(entry.doubted_at or 0.0, self._settings.settle_seconds, self._run.now())
            if not self.pause(left):
                return Ended(batch, BatchState.IN_DOUBT)
            try:
                for each in self._observed(readable, bill):
                    verdicts |= (
                        settle_unseen(each.actions, each.seen.reason)
                        if isinstance(each.seen, RejectedError)
                        else settle(each.actions, each.changes, each.seen)
                    )
                is_whole = not self.must_end
            except ApiError:
                is_whole = False
            if not is_whole:
                self._run.count_reads(batch, bill.lookups)
                return Ended(batch, BatchState.IN_DOUBT)
        state = self._run.record_settled(batch, verdicts, reads=bill.lookups)
        if state is not BatchState.PLANNED:
            return Ended(batch, state)
        # Live state has just been read.
        return self.carry_out(
            batch, self._run.entries(batch.number, batch.number)[batch.number], recheck_first=False
        )

    def _to_recheck(
        self, batch: Batch, actions: Sequence[PlannedAction], *, everybody: bool
    ) -> Sequence[PlannedAction]:
        """
        Return the *actions* of subjects that have to be read before writing.

        A subject that this run read and began to write to isn't read again, unless another run wrote to it
        after the plan. A user who is re-subscribed is always read, because the user may have left again meanwhile. One who is erased
        is always read, too: what is known of the user is searched for afterwards. So is a thing of the app: what it is now may
        concern all users.
        """
        if batch.delivery_class is DeliveryClass.ONCE:
            return ()
        if batch.is_of_the_app:
            return actions
        written = self._later.subjects(batch.subjects)
        begun = self._run.begun(batch) if everybody or written else {}
        if batch.delivery_class is not DeliveryClass.REPEATABLE:
            written -= begun.keys()  # increments add up, whatever the sum is
        written |= {
            planned.subject
            for planned in actions
            if is_erasing(planned.action) or resubscribed(planned.action.arguments)
        }
        return [
            planned
            for planned in actions
            if planned.subject in written or (everybody and not begun.get(planned.subject))
        ]

    def _recheck(self, batch: Batch, actions: Sequence[PlannedAction], bill: Bill) -> Mapping[int, Verdict]:
        begun = self._run.begun(batch)
        later = self._later.fields({planned.subject for planned in actions})
        returning = {p.subject for p in actions if resubscribed(p.action.arguments)}
        unsubscribed = self._later.unsubscriptions(returning) if returning else {}
        verdicts: dict[int, Verdict] = {}
        for each in self._observed(actions, bill):
            if isinstance(each.seen, RejectedError):
                verdicts |= unseen(each.actions, each.seen.reason, _unseen(each.seen))
            else:
                verdicts |= recheck(
                    each.actions,
                    each.changes,
                    each.seen,
                    begun=each.subject in begun,
                    later=later.get(each.subject, NOTHING_LATER),
                    unsubscribed=unsubscribed.get(each.subject, NEVER),
                )
        return verdicts

    def _observed(self, actions: Sequence[PlannedAction], bill: Bill) -> Iterator[_Observed]:
        """Yield the live state of each subject of *actions*. Ends early if the run must end."""
        grouped = by_subject(actions)
        changes = self._changes_of(tuple(grouped))
        for answer in self._reading.read(grouped, bill):
            subject = answer.subject
            if isinstance(answer, Shown) and any(is_erasing(planned.action) for planned in grouped[subject]):
                self._on_erasing(answer)
            seen = read_profile(answer.element) if isinstance(answer, Shown) else answer.error
            yield _Observed(subject, grouped[subject], changes.get(subject, ()), seen)

    def _changes_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        with self._asking:
            return self._plan.changes_of(subjects)

    def _send(
        self,
        batch: Batch,
        sending: Sequence[PlannedAction],
        found: Mapping[int, Verdict],
        reads: int,
        *,
        rest_waits: str,
        waiting: Mapping[int, Verdict],
    ) -> Ended:
        numbers = [planned.number for planned in sending]
        digest = fingerprint(*(_text(planned) for planned in sending))
        attempts = self._settings.retries + 1
        for attempt in range(1, attempts + 1):
            record = partial(self._run.record_sent, batch, numbers, found, body_digest=digest, reads=reads)
            with self._turn(batch, record):
                answer = self._try(batch, sending)
            found, reads = {}, 0
            match answer:
                case Answered(outcomes=outcomes):
                    self._pace.answered()
                    by_number = dict(zip(numbers, outcomes, strict=True))
                    state = self._run.record_answer(batch, by_number, rest_waits=rest_waits, waiting=waiting)
                    return self._answered(Ended(batch, state, attempt), sending, outcomes)
                case Unreadable(reason=reason):
                    self._run.record_doubt(batch, numbers, reason)
                    return Ended(batch, BatchState.IN_DOUBT, attempt)
                case Refused(kind=RefusalKind.KEY, message=message):
                    self._run.record_not_carried_out(batch, message, park=True)
                    raise CredentialError(
                        f"Leanplum does not accept the {self._plan.header.target.writes.words} key for this app ({message.rstrip('.')}). None of the actions in the last call were carried out. Check the key and the app id, then run apply with --resume."
                    )
                case Refused(kind=RefusalKind.BUG, message=message, status=status):
                    self._run.record_not_carried_out(batch, f"HTTP {status}: {message}", park=True)
                    return Ended(batch, BatchState.PARKED, attempt)
                case Refused():
                    self._pace.refused()
                case _NotSent():
                    pass
            reason = answer.message if isinstance(answer, Refused) else answer.reason
            is_last = attempt == attempts and not self.must_end
            self._run.record_not_carried_out(batch, reason, park=is_last)
            if is_last:
                return Ended(batch, BatchState.PARKED, attempt)
            if not self.pause(delay_seconds(attempt, self._randomness)):
                return Ended(batch, BatchState.PLANNED, attempt)
        raise AssertionError("the last attempt returns")  # pragma: no cover - it does

    def _answered(
        self, ended: Ended, sent: Sequence[PlannedAction], outcomes: Sequence[ActionOutcome]
    ) -> Ended:
        """Return *ended* with the counts of *outcomes*. If events got a wrong time, nothing more is sent."""
        rejected = sum(found.outcome is Outcome.REJECTED for found in outcomes)
        mistimed = sum(has_wrong_time(each.action, found) for each, found in zip(sent, outcomes, strict=True))
        if mistimed:
            self.abandon()
        return replace(ended, answered=len(outcomes), rejected=rejected, mistimed=mistimed)

    @contextmanager
    def _turn(self, batch: Batch, record_intent: Callable[[], None]) -> Iterator[None]:
        """
        Wait for a turn to send, with the intent recorded.

        Most intents are recorded before their turn comes, and a crash leaves them in doubt. For actions
        that must happen once, a doubt needs a person, so their intent is recorded only when their turn has
        come.
        """
        if batch.delivery_class is DeliveryClass.ONCE:
            with self._pace.turn():
                record_intent()
                yield
        else:
            with self._pace.turn_after(record_intent):
                yield

    def _try(self, batch: Batch, sending: Sequence[PlannedAction]) -> _Attempt:
        """
        Send one request. Its ids are the same for each attempt, so that a server can recognise a repeated call.

        Source: Leanplum's SDKs, about ``uuid`` and ``reqId``; nothing here relies on it.
        """
        if self.must_end:  # it may have been set while this waited for its turn
            return _NotSent(_ASKED_TO_END)
        try:
            answer = self._writer.send(
                actions := [planned.action for planned in sending],
                request_ids=[
                    fingerprint(self._run.uid, "action", str(planned.number)) for planned in sending
                ],
                batch_id=fingerprint(self._run.uid, "batch", str(batch.number)),
                before_write=self._run.lease.check,
            )
            return quiet(answer, actions, self._settings.sensitive)
        except NotSentError as error:
            return _NotSent(str(error))
        except NoAnswerError as error:
            return Unreadable(str(error))
        except CredentialError as error:
            self._run.record_not_carried_out(batch, str(error), park=True)
            raise
        except MigrationChangedError as error:
            self._run.record_not_carried_out(batch, str(error), park=False)
            raise
        except LockLostError as error:
            self._never_left(batch, error)
            raise

    def _never_left(self, batch: Batch, error: LockLostError) -> None:
        """
        Record that the lease ended just before the first byte, so that nothing was sent.

        This is an ordinary transition under the fence: it succeeds if the lock is still this run's. If
        another run has taken the lock, that run may be settling this batch, and relies on nobody else
        writing. Then the batch stays in doubt, which is safe, and the error tells the person who may have
        to decide about it.

        Raises:
            LockLostError: another run took over.
        """
        try:
            self._run.record_not_carried_out(batch, str(error), park=False)
        except JournalError as lost:
            raise LockLostError(
                f"{lost} Batch {batch.number} of run {self._run.number} was never sent. If it is held later, run: leanplum-sync resolve {self._run.number} --again --batch {batch.number}"
            ) from error


def _unseen(error: ApiError) -> str:
    return f"could not be read before writing: {error}"


def _text(planned: PlannedAction) -> str:
    return orjson.dumps(planned.action.payload(), option=orjson.OPT_SORT_KEYS).decode()
