"""
A whole run: phase by phase, several batches at once, and then the receipt.

A phase is one delivery class of one wave. It ends when all of its batches are settled, including the ones in doubt. So when a
later action of a subject is due, its earlier actions have taken effect, or the subject has been set aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import groupby, islice
from typing import Final

from leanplum_sync.address import Subject
from leanplum_sync.applier.executor import Executor, Team, Threads
from leanplum_sync.applier.ports import Plan, Stop, Writer
from leanplum_sync.applier.preflight import Conditions, check_journal, check_plan
from leanplum_sync.applier.receipt import Receipt, StopReason, receipt_from
from leanplum_sync.applier.settings import EXCEPTIONS_LISTED, ApplySettings, recheck_is_due
from leanplum_sync.applier.work import Ended, Worker
from leanplum_sync.client.backoff import Randomness
from leanplum_sync.client.throttle import Pace, Rate
from leanplum_sync.clock import Clock
from leanplum_sync.errors import CredentialError, InterruptedRunError, MigrationChangedError, StalePlanError
from leanplum_sync.journal.entry import BatchEntry, BatchState, Fate, FateGroup, RunState, fates_of
from leanplum_sync.journal.events import Listener, nobody
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.settling import still_unsettled
from leanplum_sync.journal.specs import NO_RUN
from leanplum_sync.journal.writer import Journal
from leanplum_sync.observed.users import ReadsUsers, Shown
from leanplum_sync.progress import Progress, Task
from leanplum_sync.wire.batch import Batch

_ENTRIES_AT_ONCE: Final = 200


def apply_plan(
    plan: Plan,
    *,
    conditions: Conditions,
    writer: Writer,
    reader: ReadsUsers,
    journal: Journal,
    lease: Lease,
    clock: Clock,
    settings: ApplySettings,
    progress: Progress,
    stop: Stop,
    only: frozenset[Subject] | None = None,
    events: Listener = nobody,
    specs: Mapping[str, str] | None = None,
    before_sending: Callable[[], None] = lambda: None,
    on_erasing: Callable[[Shown], None] = lambda _: None,
    executor: Executor | None = None,
    randomness: Randomness | None = None,
    rate: Rate | None = None,
) -> Receipt:
    """
    Apply *plan*, or what is left of it, under *lease*, and return the receipt.

    A plan that was already applied sends nothing. An interrupted one continues where it stopped; with ``settings.resume``, it
    also sends what it had parked. With *only*, the run stops when it has applied the plan to these subjects. *events* is
    called, from any thread, after each recorded transition. *specs*, ``{kind/name: digest}``, are remembered once everything
    is done. *before_sending* is called when the journal has the run, and what it raises ends the run.
    *on_erasing* gets each user just before that user is erased, from any thread. *rate* is one that other processes keep to, too. Tests choose *executor*, by default threads, and *randomness*, which spreads retries.

    Raises:
        InterruptedRunError: *stop* asked for it. In-flight requests completed; ``read_receipt`` returns the state.
        CredentialError: the API refuses the key; nothing more was sent.
        PlanError: the plan does not meet *conditions*, see ``check_plan``; nothing was sent.
        StalePlanError: the plan is another app's or environment's, or a later plan took over.
        JournalReplacedError: the journal is not the one of the plan, see ``check_journal``; nothing was sent.
        LockLostError: another run took over; nothing more was sent.
        JournalError: an intent or a response could not be recorded; nothing more was sent.
    """
    _check(plan, conditions, journal, lease, clock.now())
    run = journal.begin_run(
        lease,
        plan_digest=plan.header.digest,
        plan_made_at=plan.header.created_at,
        read_after_run=plan.header.read_after_run,
        batches=plan.summary.batches,
        actions=plan.summary.actions,
    )
    if run.found_state is RunState.FINISHED:
        return read_receipt(plan, journal, run.number, listed=settings.exceptions_listed)
    before_sending()
    run.tell(events)
    executor = executor or Threads()
    run.wait_with(executor.condition())
    pace = Pace(
        concurrency=settings.concurrency,
        requests_per_second=settings.requests_per_second,
        clock=clock,
        changed=executor.condition(),
        must_end=lambda: worker.must_end,
        rate=rate,
    )
    worker = Worker(
        plan,
        writer=writer,
        reader=reader,
        run=run,
        later=journal.later_writes(run, plan.header.position),
        pace=pace,
        clock=clock,
        settings=settings,
        stop=stop,
        only=only,
        on_erasing=on_erasing,
        randomness=randomness,
    )
    driver = _Driver(
        plan,
        run,
        worker,
        journal,
        lease,
        settings=settings,
        executor=executor,
        recheck_first=recheck_is_due(settings, clock.now()),
        only=only,
    )
    try:
        driver.go(progress)
    except (CredentialError, MigrationChangedError):
        run.finish(RunState.INTERRUPTED)
        raise
    number = stop.signal_number
    stopped = StopReason.INTERRUPTED if number is not None else driver.stopped
    if stopped is None and only is not None and _is_anything_left(plan, journal, run.number):
        stopped = StopReason.CANARY
    run.finish(_end_state(journal, plan, run, stopped), specs)
    if number is not None:
        raise InterruptedRunError(
            "Interrupted. In-flight requests completed and were recorded; run apply with --resume for the rest.",
            signal_number=number,
        )
    return read_receipt(
        plan,
        journal,
        run.number,
        sent_now=driver.requests,
        stopped=stopped,
        listed=settings.exceptions_listed,
    )


def _check(plan: Plan, conditions: Conditions, journal: Journal, lease: Lease, now: float) -> None:
    """Refuse a plan that may not be applied here; accept a new journal if the user did. Errors are those of ``apply_plan``."""
    check_plan(plan.whole, conditions, now)
    target = plan.header.target
    if (target.app_id, target.environment) != (lease.app, lease.environment):
        raise StalePlanError(
            f"The plan was made for app {target.app_id}, environment {target.environment}, not for {lease.app}, "
            f"{lease.environment}. Plan again."
        )
    here = journal.here(lease.app)
    check_journal(plan.whole, here, accepted=conditions.new_journal)
    if conditions.new_journal:
        planned = plan.whole.header.journal
        journal.accept(lease, max(mark.number for mark in (here.remembered, planned, here.mark) if mark))


def _is_anything_left(plan: Plan, journal: JournalReader, run: int) -> bool:
    return read_receipt(plan, journal, run, listed=0).actions[Fate.NOT_SENT] > 0


def read_receipt(
    plan: Plan,
    journal: JournalReader,
    run: int,
    *,
    sent_now: int = 0,
    stopped: StopReason | None = None,
    listed: int = EXCEPTIONS_LISTED,
) -> Receipt:
    """Return the receipt of the plan's *run* from the journal, finished or not."""
    entry = journal.run(run)
    return receipt_from(
        journal.tally(run),
        run=run,
        plan_digest=plan.header.digest,
        state=entry.state if entry else RunState.RUNNING,
        planned=plan.summary.actions,
        sent_now=sent_now,
        stopped=stopped,
        exceptions=tuple(islice(journal.exceptions(run), listed)),
        exceptions_total=journal.count_exceptions(run),
    )


def _end_state(journal: Journal, plan: Plan, run: RunJournal, stopped: StopReason | None) -> RunState:
    if stopped is not None:
        return RunState.INTERRUPTED
    actions = read_receipt(plan, journal, run.number, listed=0).actions
    is_open = any(actions[fate] for fate in fates_of(FateGroup.HELD, FateGroup.OPEN))
    return RunState.PARTIAL if is_open else RunState.FINISHED


class _Driver:
    def __init__(
        self,
        plan: Plan,
        run: RunJournal,
        worker: Worker,
        journal: Journal,
        lease: Lease,
        *,
        settings: ApplySettings,
        executor: Executor,
        recheck_first: bool,
        only: frozenset[Subject] | None,
    ) -> None:
        self._plan, self._run, self._worker, self._journal, self._lease = plan, run, worker, journal, lease
        self._settings, self._executor = settings, executor
        self._recheck_first, self._only = recheck_first, only
        self._in_flight: dict[Future[Ended], frozenset[Subject]] = {}  # with the users of each
        self._busy: set[Subject] = set()
        # More threads than concurrent requests: while some wait for responses, others recheck, prepare and record.
        self._team_size = max(1, settings.concurrency) + 3 * (settings.concurrency // 2)
        self._doubts: list[Batch] = []
        self._answered = self._rejected = self._failures_in_a_row = 0
        self.requests = 0
        self.stopped: StopReason | None = None

    def go(self, progress: Progress) -> None:
        # A run waits each time it is resumed, because it may have been killed during this wait. What it sent itself is settled
        # batch by batch, unless other batches may be about the same user.
        self._let_settle(besides=NO_RUN if self._plan.has_owners else self._run.number)
        with progress.track("Applying", self._plan.summary.batches, "batch") as task:
            self._go_through_phases(task)

    def _let_settle(self, besides: int = NO_RUN) -> None:
        """
        Wait until no request of any run, or of any *besides* that one, can take effect any more, so that none overtakes a
        request of this run.
        """
        doubted_at = self._journal.last_doubt(self._lease.app, self._lease.part, besides=besides)
        if doubted_at is not None:
            window = self._settings.settle_seconds
            self._worker.pause(still_unsettled(doubted_at, window, self._journal.now()))

    def _go_through_phases(self, task: Task) -> None:
        with self._executor.team(self._team_size) as team:
            try:
                phases = groupby(self._plan.batches(), lambda batch: (batch.wave, batch.delivery_class))
                before: int | None = None
                for (wave, _), batches in phases:
                    if before is not None and before != wave and self._has_failed(before):
                        self.stopped = StopReason.WAVE
                        break
                    before = wave
                    self._phase(team, batches, task)
                    if self._must_end:
                        break
            finally:
                # After an error the other threads finish their requests and no longer wait for anything.
                self._worker.abandon()
                while self._in_flight:
                    with suppress(Exception):  # the first error is reported; the journal has the rest
                        self._collect(team)

    @property
    def _must_end(self) -> bool:
        return self.stopped is not None or self._worker.must_end

    def _has_failed(self, wave: int) -> bool:
        """Whether too many actions of *wave* failed to start the next one, which depends on it."""
        failed, total = self._run.failures(wave)
        return failed > self._settings.wave_failures_share * total

    def _is_chosen(self, batch: Batch) -> bool:
        return self._only is None or not batch.subjects.isdisjoint(self._only)

    def _phase(self, team: Team, batches: Iterable[Batch], task: Task) -> None:
        late: list[tuple[Batch, Callable[[], Ended]]] = []
        for batch, entry in self._with_entries(batches):
            work = self._work_for(batch, entry) if self._is_chosen(batch) else None
            if work is not None and not self._launch(team, batch, work):
                late.append((batch, work))
            if self._must_end:
                break
            task.advance()
        self._drain(team)
        for _ in range(self._settings.retries + 1):
            self._settle(team)
            late = [(batch, work) for batch, work in late if not self._launch(team, batch, work)]
            self._drain(team)

    def _settle(self, team: Team) -> None:
        doubts, self._doubts = self._doubts, []
        if _share_a_device(doubts):
            self._let_settle()
        for batch in doubts:
            if self._must_end:
                break
            self._launch(team, batch, lambda batch=batch: self._worker.settle(batch))  # type: ignore[misc]  # mypy wants no default here
        self._drain(team)

    def _work_for(self, batch: Batch, entry: BatchEntry | None) -> Callable[[], Ended] | None:
        match entry.state if entry else BatchState.PLANNED:
            case BatchState.PLANNED:
                return lambda: self._worker.carry_out(batch, entry, recheck_first=self._recheck_first)
            case BatchState.PARKED if self._settings.resume:
                self._run.unpark(batch)
                return lambda: self._worker.carry_out(batch, entry, recheck_first=self._recheck_first)
            case BatchState.IN_DOUBT | BatchState.SENT:
                self._doubts.append(batch)
                return None
            case BatchState.DONE | BatchState.HELD | BatchState.PARKED:
                return None

    def _with_entries(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, BatchEntry | None]]:
        if self._run.found_state is None:
            yield from ((batch, None) for batch in batches)
            return
        stream = iter(batches)
        while page := tuple(islice(stream, _ENTRIES_AT_ONCE)):
            entries = self._run.entries(page[0].number, page[-1].number)
            yield from ((batch, entries.get(batch.number)) for batch in page)

    def _launch(self, team: Team, batch: Batch, work: Callable[[], Ended]) -> bool:
        """
        Start *work* once a thread is free and none of its users is in another in-flight batch.

        Return False if it has to wait until a batch in doubt is settled: one is about a device, the other about its user, so
        the journal does not set the later one aside.
        """
        users = batch.users
        while len(self._in_flight) >= self._team_size or not self._busy.isdisjoint(users):
            self._collect(team)
        if self._must_end:
            return True
        if any(_share_a_device([doubt, batch]) for doubt in self._doubts):
            return False
        self._in_flight[team.submit(work)] = users
        self._busy |= users
        return True

    def _drain(self, team: Team) -> None:
        while self._in_flight:
            self._collect(team)

    def _collect(self, team: Team) -> None:
        finished = team.first_of(self._in_flight)
        for future in finished:
            self._busy -= self._in_flight.pop(future)
        for future in finished:
            self._note(future.result())

    def _note(self, ended: Ended) -> None:
        self.requests += ended.requests
        self._answered += ended.answered
        self._rejected += ended.rejected
        if ended.state is BatchState.IN_DOUBT:
            self._doubts.append(ended.batch)
        failed = ended.state in (BatchState.IN_DOUBT, BatchState.PARKED)
        self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
        if self._failures_in_a_row >= self._settings.failures_in_a_row:
            self.stopped = StopReason.UNAVAILABLE
        if ended.mistimed:
            self.stopped = StopReason.WRONG_TIME
        elif (
            self._rejected > self._settings.rejections_limit
            and self._rejected > self._settings.rejections_share * self._answered
        ):
            self.stopped = StopReason.REJECTIONS


def _share_a_device(batches: Sequence[Batch]) -> bool:
    """Whether one of *batches* is about a device that is listed without its user, and another about this user."""
    shared = Counter(user for batch in batches for user in batch.users)
    listed = Counter(subject for batch in batches for subject in batch.subjects)
    return any(count > max(1, listed[user]) for user, count in shared.items() if not user.kind.is_thing)
