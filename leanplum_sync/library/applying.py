"""``apply``: carries out exactly one plan. The command line goes through the same two steps, ``admit`` and ``applying``."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.applier.binding import ProjectNow, changed_specs, check_environment
from leanplum_sync.applier.canary import Chosen
from leanplum_sync.applier.ports import Stop, StopFlag
from leanplum_sync.applier.preflight import Conditions, Consent, check_journal, check_plan
from leanplum_sync.applier.receipt import Receipt, StopReason, nothing_sent
from leanplum_sync.applier.run import apply_plan, read_receipt
from leanplum_sync.applier.settings import ApplySettings, Recheck, recheck_is_due
from leanplum_sync.client.calls import OnRetry
from leanplum_sync.client.calls import nobody as tell_nobody
from leanplum_sync.client.postback_urls import check_urls
from leanplum_sync.client.writer import Writer
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import (
    ExportFailedError,
    InterruptedRunError,
    Mismatch,
    MismatchKind,
    RateLimitedError,
    UsageError,
)
from leanplum_sync.journal.entry import Fate, RunState
from leanplum_sync.journal.events import Listener, both, nobody
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.writer import Journal
from leanplum_sync.library.baseline_here import ReadBack, add_run
from leanplum_sync.library.connect import App, connected, settle_seconds, target_of
from leanplum_sync.library.erasing.checking import check_not_erased
from leanplum_sync.library.erasing.finishing import Around, Erasures, Finished
from leanplum_sync.library.erasing.needles import KnownUsers
from leanplum_sync.library.event_log import EventLog
from leanplum_sync.library.expecting import check_still_met
from leanplum_sync.library.journal_here import journal_here, open_for
from leanplum_sync.library.kept_files import keep_plan
from leanplum_sync.library.planning import Plan
from leanplum_sync.library.progress import Callback, progress_to
from leanplum_sync.library.reading import together
from leanplum_sync.library.verifying import Extent, readings_of
from leanplum_sync.library.windows_here import export_windows
from leanplum_sync.operations.check import check
from leanplum_sync.operations.host_clock import check_clock
from leanplum_sync.operations.migration import check_migration
from leanplum_sync.operations.read_rows import with_rows
from leanplum_sync.operations.things import check_tests
from leanplum_sync.operations.triggers import check_triggers
from leanplum_sync.operations.verify import Verification, verify
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.planner.parts import Part
from leanplum_sync.problem import Problem
from leanplum_sync.progress import Progress, SilentProgress
from leanplum_sync.project.model import FILE_NAME, ProjectFile
from leanplum_sync.project.settings import Settings, settle
from leanplum_sync.specs import load, load_project, spec_inputs
from leanplum_sync.staging import Staging
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.channel import ACTIONS as CHANNEL_ACTIONS
from leanplum_sync.wire.postback import ACTIONS as POSTBACK_ACTIONS

_SUFFIXES: Final = (".yaml", ".yml")
_TOLD: Final = 5  # one is enough to refuse the plan; validate lists them all


def apply(
    plan: Plan,
    *,
    accept: Mapping[str, int] | None = None,
    recheck: Recheck = Recheck.AUTO,
    max_age_seconds: float | None = None,
    resume: bool = False,
    retry_rejected: bool = False,
    concurrency: int | None = None,
    requests_per_second: float | None = None,
    new_journal: bool = False,
    allow_lookups: int | None = None,
    progress: Callback | None = None,
) -> Receipt:
    """
    Carry out *plan*, or what an earlier run left of it, and return the receipt of the run.

    *accept* consents to hazards over budget, by the plan's own numbers, such as ``{"sends": 12431}``. *resume* also sends what
    an earlier run parked, *retry_rejected* also what the API rejected in an earlier run. *new_journal* accepts a journal that has
    no record of earlier sends and increments. *allow_lookups* replaces the budget of billable lookups per month. The other options are those of the project, unless given. What a run does is
    durable: called again after a crash, it continues and repeats nothing that must happen once.

    Raises:
        HazardNotAllowedError: a hazard is over budget and not accepted, or a number is not the plan's.
        MonthlyBudgetError: applying would exceed the budget of the month.
        PlanMismatchError: the plan is for another app, environment or host, its inputs changed, or it was altered.
        ExpiredPlanError: the plan is too old.
        RateLimitedError, ExportFailedError: windows of exports have to wait, or could not be exported. Everything else was carried out.
        UsageError: *concurrency* or *requests_per_second* is not above 0.
        ClockError: the plan has events, and this machine's clock differs by more than five minutes from the host's.
        StalePlanError: the plan file is damaged, or a later plan took over.
        MigrationChangedError: the app has moved to CleverTap, or began to after planning.
        JournalLockedError: another run works on this app and environment.
        JournalReplacedError: the journal is another one, an older copy, or may be new.
        CredentialError, JournalError: as their sentences say; nothing more was sent.
    """
    options = ApplyOptions(
        consents=tuple(Consent(name, count) for name, count in (accept or {}).items()),
        recheck=recheck,
        max_age_seconds=max_age_seconds,
        resume=resume,
        retry_rejected=retry_rejected,
        concurrency=concurrency,
        requests_per_second=requests_per_second,
        new_journal=new_journal,
        allow_lookups=allow_lookups,
    )
    project = plan.project
    with open_plan(plan.path) as opened:
        admitted = admit(opened, project.file, project.root, project.environment, options)
        if opened.summary.is_empty:
            note_specs(admitted)
            _export(admitted, options, progress)
            return nothing_sent(opened.digest)
        with applying(admitted) as run:
            run.check_costs(reads_back="none")
            receipt, interrupted = run.apply(progress=progress_to(progress))
            run.note_in_baseline(receipt)
            if interrupted is None:
                run.finish_erasures(receipt)
        if interrupted is None:
            _export(admitted, options, progress)
    if interrupted is not None:
        raise interrupted
    return receipt


def _export(admitted: Admitted, options: ApplyOptions, progress: Callback | None) -> None:
    """
    Export the plan's windows.

    Raises:
        RateLimitedError: some windows have to wait for another day.
        ExportFailedError: some could not be exported.
    """
    report = export_windows(admitted.plan, admitted.settings, progress_to(progress), shard=options.shard)
    complaint = " ".join(report.complaints)
    if report.failed:
        raise ExportFailedError(complaint)
    if report.waiting:
        raise RateLimitedError(complaint, status=403)


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """
    None means what the project says.

    Raises:
        UsageError: no request could ever be sent.
    """

    consents: Sequence[Consent] = ()
    recheck: Recheck = Recheck.AUTO
    max_age_seconds: float | None = None
    resume: bool = False
    retry_rejected: bool = False
    concurrency: int | None = None
    requests_per_second: float | None = None
    wave_failures_share: float = 0.1
    shard: Part | None = None
    new_journal: bool = False
    allow_lookups: int | None = None

    def __post_init__(self) -> None:
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError("The concurrency must be at least 1.")
        if self.requests_per_second is not None and self.requests_per_second <= 0:
            raise UsageError("The requests per second must be more than 0.")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A plan that passed the preflight, and how it will be applied. *mine* is the part to apply, *lock* the name of its lock."""

    plan: PlanFile
    mine: PlanPart
    lock: str
    settings: Settings
    conditions: Conditions
    apply_settings: ApplySettings
    allow_lookups: int | None

    @property
    def changed_specs(self) -> tuple[str, ...]:
        """The spec files that were added or changed since planning, and don't contradict the plan."""
        now = self.conditions.project
        return () if now is None else changed_specs(self.plan, now.files)


def admit(
    plan: PlanFile, project: ProjectFile, root: Path, environment: str | None, options: ApplyOptions
) -> Admitted:
    """
    Run the preflight, so that a refusal comes before anything is opened or asked. ``apply_plan`` runs it again.

    *environment* is the one that was asked for, None for the plan's own.

    Raises:
        PlanMismatchError, ExpiredPlanError, HazardNotAllowedError: see ``check_plan``.
        JournalReplacedError: see ``check_journal``.
        UsageError: the plan has no such shard.
    """
    mine, lock = part_of_plan(plan, options.shard)
    check_environment(plan, project.environments, environment)
    settings = settle(project, root, plan.header.target.environment, os.environ)
    limits = settings.environment.limits
    max_age = options.max_age_seconds
    if max_age is None and limits.plan_hours is not None:
        max_age = limits.plan_hours * 3600
    now = project_now(plan, project, root, settings)
    conditions = Conditions(
        target_of(settings), root, settings.budget, options.consents, max_age, now, options.new_journal
    )
    check_plan(plan, conditions, SystemClock().now())
    check_journal(plan, journal_here(settings, plan.header.target.app_id), accepted=options.new_journal)
    apply_settings = ApplySettings(
        concurrency=options.concurrency or limits.concurrency,
        requests_per_second=options.requests_per_second or limits.requests_per_second,
        lease_seconds=limits.lease_seconds,
        settle_seconds=settle_seconds(settings),
        recheck=options.recheck,
        observed_at=plan.header.observed_from,
        resume=options.resume,
        retry_rejected=options.retry_rejected,
        together=together(limits),
        wave_failures_share=options.wave_failures_share,
        sensitive=settings.sensitive | plan.header.sensitive,
    )
    return Admitted(plan, mine, lock, settings, conditions, apply_settings, options.allow_lookups)


def part_of_plan(plan: PlanFile, shard: Part | None) -> tuple[PlanPart, str]:
    """
    Return what to apply, and the name of the lock: ``N/M``, or nothing for the whole plan.

    Raises:
        UsageError: the plan isn't divided like that.
    """
    only = plan.header.part
    if only is not None:
        if shard not in (None, only):
            raise UsageError(f"{plan.path} can only be applied with --shard {only}.")
        return PlanPart(plan), str(only)
    if shard is None:
        return PlanPart(plan), ""
    if shard.cuts(plan.header.parts):
        processes = "1 process" if plan.header.parts == 1 else f"{plan.header.parts} processes"
        raise UsageError(
            f"{plan.path} can be split among at most {processes}: some batches have users both inside and outside of --shard {shard}. Plan with --parts {shard.of}."
        )
    return PlanPart(plan, shard), str(shard)


def note_specs(admitted: Admitted) -> None:
    """Record that the specs of an empty plan are in force: later differences are drift."""
    plan, settings = admitted.plan, admitted.settings
    target = plan.header.target
    if specs := plan.resources():
        with (
            open_for(settings, target.app_id) as journal,
            journal.acquire(target.app_id, target.environment) as lease,
        ):
            journal.note_specs(lease, specs)


@contextmanager
def applying(
    admitted: Admitted,
    *,
    warn: Callable[[str], None] = lambda _: None,
    on_changed_seed: Callable[[Path], None] = lambda _: None,
    on_retry: OnRetry = tell_nobody,
    needs: Collection[KeyClass] = (),
) -> Iterator[Application]:
    """
    Open the app, the journal and the run's log. *warn* is called if the log or the run's cost can't be written. The key that
    the plan writes with and those in *needs* are checked now.

    Raises:
        MigrationChangedError: the app has moved to CleverTap, or began to after planning.
        StalePlanError: a user of it was erased since.
        StalePlanError: its events may trigger messages that were started after planning.
        ClockError: it has events, and this machine's clock differs too much from the host's.
        StalePlanError: the app is no longer as the specs expect.
        CredentialError: a key to read with, or a variable that holds the URL of a postback, is not set.
    """
    settings = admitted.settings
    with (
        connected(
            settings,
            on_changed_seed,
            command="apply",
            needs=[admitted.conditions.target.writes, *needs],
            on_retry=on_retry,
            warn=warn,
            allowed_lookups=admitted.allow_lookups,
        ) as app,
        open_for(
            settings, admitted.plan.header.target.app_id, as_it_is=admitted.conditions.new_journal
        ) as journal,
        EventLog(settings.state_folder, SystemClock(), warn) as log,
    ):
        check_not_erased(admitted.plan, journal)
        writer = Writer(app.calls, app.target.writes)
        stated = {hazard.name: hazard.count for hazard in admitted.plan.hazards()}
        check_migration(app.reader(), stated, changes=admitted.mine.summary.changed > 0)
        check_triggers(app.reader(), admitted.plan.summary, admitted.plan.contents)
        check_tests(app.reader(), admitted.plan.summary, admitted.plan.contents)
        actions = admitted.plan.contents.actions.keys()
        if not actions.isdisjoint(CHANNEL_ACTIONS):
            app.keys.key(KeyClass.PRODUCTION)  # with which they are read just before they are written
        if not actions.isdisjoint(POSTBACK_ACTIONS):
            check_urls(each for each in admitted.plan.subjects() if each.kind is SubjectKind.POSTBACK)
        check_clock(app.calls.host_ahead_seconds, admitted.plan.contents)
        check_still_met(admitted.plan, admitted.conditions.root, app.reader())
        with closing(ReadBack(settings)) as seen:
            erasures, known = Erasures.of(admitted.plan, admitted.mine), KnownUsers()
            yield Application(admitted, app, writer, journal, log, seen, erasures, known)


@dataclass(frozen=True, slots=True)
class Application:
    """What it takes to apply one plan, opened."""

    admitted: Admitted
    app: App
    writer: Writer
    journal: Journal
    log: EventLog
    seen: ReadBack
    erasures: Erasures | None
    known: KnownUsers

    def check_costs(self, *, reads_back: Extent) -> None:
        """
        Call it before ``apply``. *reads_back* is how many users will be read back.

        Raises:
            MonthlyBudgetError: what is left of the plan would exceed the budget of the month.
        """
        costs, summary = self.app.costs, self.admitted.mine.summary
        if costs.admit is None:
            return
        header, settings = self.admitted.plan.header, self.admitted.apply_settings
        runs = self.journal.runs(header.target.app_id, header.target.environment)
        of_plan = [run for run in runs if (run.part, run.plan_digest) == (self.admitted.lock, header.digest)]
        writes = summary.cost.writes
        if of_plan and of_plan[0].state is RunState.FINISHED and of_plan[0].plan_made_at == header.created_at:
            return  # it was applied already, and sends nothing
        if of_plan and not of_plan[0].state.is_over:
            writes = max(0, writes - self.journal.tally(of_plan[0].number).lookups)
        rechecks = summary.cost.recheck if recheck_is_due(settings, SystemClock().now()) else 0
        costs.check(
            writes
            + summary.cost.checks
            + summary.cost.thing_checks
            + rechecks
            + readings_of(reads_back, summary.changed)
        )

    def apply(
        self,
        only: frozenset[Subject] | None = None,
        *,
        progress: Progress,
        stop: Stop | None = None,
        events: Listener = nobody,
    ) -> tuple[Receipt, InterruptedRunError | None]:
        """Apply the plan to the subjects *only*, None for all. An interruption comes with the receipt up to it."""
        plan, lock, journal = self.admitted.mine, self.admitted.lock, self.journal
        digest, target = plan.header.digest, plan.header.target
        settings = self.admitted.apply_settings
        self.app.costs.about(plan_digest=digest)
        with (
            journal.acquire(
                target.app_id, target.environment, part=lock, lease_seconds=settings.lease_seconds
            ) as lease,
            journal.shared_rate(lease, settings.requests_per_second) as rate,
        ):
            try:
                receipt = apply_plan(
                    plan,
                    conditions=self.admitted.conditions,
                    writer=self.writer,
                    reader=self.app.reader(),
                    journal=journal,
                    lease=lease,
                    clock=SystemClock(),
                    settings=settings,
                    progress=progress,
                    stop=StopFlag() if stop is None else stop,
                    only=only,
                    events=self.log if events is nobody else both(self.log, events),
                    specs=plan.whole.resources(),
                    before_sending=lambda: self._before_sending(lease),
                    on_erasing=lambda shown: self.known.add(shown.subject, shown.element),
                    rate=rate,
                )
            except InterruptedRunError as error:
                run = self._run()
                self.app.costs.about(run=run)
                return read_receipt(plan, journal, run, stopped=StopReason.INTERRUPTED), error
        self.app.costs.about(run=receipt.run)
        return receipt, None

    def _before_sending(self, lease: Lease) -> None:
        # Not earlier: a kept plan without a run would be taken for the trace of a lost journal.
        keep_plan(self.admitted.plan, self.admitted.settings, self.journal)
        if self.erasures is not None:
            self.erasures.begin(self.journal, lease, self._run(), SystemClock().now())

    def _run(self) -> int:
        """Return the number of the run of this plan that the journal knows."""
        header, part = self.admitted.plan.header, self.admitted.lock
        runs = self.journal.runs(header.target.app_id, header.target.environment)
        return next(run.number for run in runs if (run.part, run.plan_digest) == (part, header.digest))

    def finish_erasures(self, receipt: Receipt) -> Finished | None:
        """
        Prove that the users whom the plan erases are gone, and delete what the project keeps about them. None if it erases nobody.

        Call it last. It can be repeated, also after the run has ended.

        Raises:
            ApiError, CredentialError: the users can't be read. Nothing was deleted.
            JournalError, StorageError: something can't be deleted or written. Apply the plan again to continue.
        """
        if self.erasures is None:
            return None
        target, settings = self.admitted.plan.header.target, self.admitted.settings
        with self.journal.acquire(
            target.app_id,
            target.environment,
            part=self.admitted.lock,
            lease_seconds=self.admitted.apply_settings.lease_seconds,
        ) as lease:
            project = load_project(settings.root / FILE_NAME)
            around = Around(settings, project, self.journal, lease, SystemClock())
            return self.erasures.finish(around, receipt.run, self.known, self.app.reader())

    def note_in_baseline(self, receipt: Receipt) -> str:
        """
        Add what the run wrote to the baseline, if there is one, and then whom ``read_back`` read. Return why that can't be done, empty if
        it was.

        If some actions were not sent, nothing is added, because the journal doesn't show whose they are. The next plan reads all
        users of the run.
        """
        if receipt.actions.get(Fate.NOT_SENT) or receipt.rejected_before:
            return ""
        lost = add_run(self.admitted.settings, receipt.run, self.admitted.mine, self.journal)
        return lost or self.seen.add()

    def read_back(
        self, receipt: Receipt, only: frozenset[Subject] | None, *, sample: int | None, progress: Progress
    ) -> Verification:
        """Read back the changed users of *only*, None for all, or a *sample* of them."""
        plan, settings = self.admitted.mine, self.admitted.apply_settings
        self.seen.begin()
        return verify(
            plan if only is None else Chosen(plan, only),
            self.app.reader(),
            sample=sample,
            clock=SystemClock(),
            progress=progress,
            concurrency=settings.concurrency,
            requests_per_second=settings.requests_per_second,
            together=settings.together,
            leave_out=partial(self.journal.not_done, receipt.run),
            keep=self.seen.keep,
        )


def project_now(plan: PlanFile, project: ProjectFile, root: Path, settings: Settings) -> ProjectNow:
    """
    Return the project's specs, and where they contradict *plan*.

    If specs were added or changed besides the plan's inputs, all specs are checked offline, with their data, as ``validate``
    does. Nothing more is read if there are none.
    """
    files = spec_inputs(root, project)
    changed = changed_specs(plan, files)
    if not changed:
        return ProjectNow(files)
    inputs = {each.path for each in plan.inputs()}
    specs = {each.path for each in files} | {name for name in inputs if name.endswith(_SUFFIXES)}
    paths = [path for name in sorted(specs) if (path := root / name).is_file()]
    with Staging(settings.state_folder) as staging:
        loaded = with_rows(load(root / FILE_NAME, paths), plan.rows())
        problems = check(loaded, staging, SilentProgress()).problems
    return ProjectNow(
        files, tuple(islice(_conflicts(problems, inputs, changed, plan.resources().keys()), _TOLD))
    )


def _conflicts(
    problems: Sequence[Problem], inputs: Collection[str], changed: Sequence[str], resources: Collection[str]
) -> Iterator[Mismatch]:
    """Yield the problems that involve the plan, and those of specs that can't be compared with it because they are invalid."""
    for problem in problems:
        files = {problem.place.file, problem.also.file if problem.also else ""}
        is_invalid = problem.place.file in changed and problem.place.row is None and problem.also is None
        if problem.address in resources or is_invalid or not files.isdisjoint(inputs):
            yield Mismatch(MismatchKind.SPEC_CONFLICT, problem.sentence.rstrip("."), name=str(problem.place))
