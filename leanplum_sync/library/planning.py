"""``plan``: compares specs with live state and writes a plan file. It reads; it can't write to the app."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Self, assert_never

from leanplum_sync.address import ResourceAddress
from leanplum_sync.baseline import Read, UnusableError
from leanplum_sync.baseline.exported import assume_export
from leanplum_sync.baseline.moved import oldest, without_moved, write_listed
from leanplum_sync.client.calls import OnRetry, nobody
from leanplum_sync.clock import SystemClock, utc
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.errors import JournalError, MonthlyBudgetError, SpecError, UsageError
from leanplum_sync.journal import read_deliveries, read_journal
from leanplum_sync.kinds.kind import with_renamed
from leanplum_sync.kinds.rows.source import audience_of
from leanplum_sync.library.baseline_here import add_read, baseline_of, is_kept
from leanplum_sync.library.connect import App, connected, settle_seconds, target_of
from leanplum_sync.library.erasing_alone import check_erased_alone
from leanplum_sync.library.expecting import unmet_in_app
from leanplum_sync.library.journal_here import journal_here
from leanplum_sync.library.opting_out import check_opt_outs
from leanplum_sync.library.progress import Callback, progress_to
from leanplum_sync.library.project import Project
from leanplum_sync.library.reading import (
    EXPORTED_FOR_SECONDS,
    admitted,
    audiences,
    exporting,
    forecast_of,
    reading_live,
)
from leanplum_sync.library.windows_here import export_notes
from leanplum_sync.operations.assumable import never_assumed
from leanplum_sync.operations.check import check
from leanplum_sync.operations.exportable import exportable
from leanplum_sync.operations.migration import is_migrating
from leanplum_sync.operations.observing import Assumed, Live, Observed, Recorded
from leanplum_sync.operations.plan import MadePlan, PlanRequest, make_plan
from leanplum_sync.operations.problem_list import ListingFile
from leanplum_sync.operations.read_rows import Reading, read_rows
from leanplum_sync.operations.sessions import export_sessions
from leanplum_sync.planfile import open_plan
from leanplum_sync.planner.expectations import expected_audiences, with_expected
from leanplum_sync.planner.notes import moved_sentence
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import UNSEEN, Hazard, Note, Scope, Summary, pending_exports
from leanplum_sync.problem import Place, Problem, Remark
from leanplum_sync.progress import Progress
from leanplum_sync.project.model import Observe, ProjectFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.specs import Loaded, load, spec_inputs
from leanplum_sync.specs.covering import check_selection, covered, left_out_remark
from leanplum_sync.staging import MEMORY_LIMIT_MB, Staging
from leanplum_sync.staging.assumed import managed_fields
from leanplum_sync.staging.prints import Assumptions
from leanplum_sync.wire.catalogue import KeyClass


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan file that was checked when it was opened. *hazards* include those within their budget."""

    project: Project
    path: Path
    digest: str
    created_at: float
    summary: Summary
    hazards: tuple[Hazard, ...]
    notes: tuple[Note, ...]

    @classmethod
    def open(cls, path: Path | str, project: Project) -> Self:
        """
        Open the plan file at *path*.

        Raises:
            StalePlanError: there is no such plan, or it is damaged, altered, or of another format.
            CredentialError: it is encrypted with another key.
        """
        with open_plan(Path(path)) as plan:
            header = plan.header
            return cls(
                project,
                plan.path,
                header.digest,
                header.created_at,
                plan.summary,
                plan.hazards(),
                plan.notes(),
            )

    @property
    def is_empty(self) -> bool:
        return self.summary.is_empty and not pending_exports(self.notes)

    @property
    def over_budget(self) -> dict[str, int]:
        """Hazards over budget with their counts: pass it as ``accept`` to ``apply`` to consent to exactly this plan."""
        return {hazard.name: hazard.count for hazard in self.hazards if hazard.is_over}


def plan(
    project: Project,
    *,
    specs: Sequence[Path | str] = (),
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    snapshot: Path | str | None = None,
    observe: Observe | None = None,
    max_age_seconds: float | None = None,
    out: Path | str | None = None,
    set_values: Mapping[str, str] | None = None,
    allow_lookups: int | None = None,
    moved_since: Literal["export"] | None = None,
    progress: Callback | None = None,
) -> Plan:
    """
    Compare the project's specs, or only those of *specs*, with live state or a *snapshot*, and write the plan to *out*.

    Without a snapshot, *observe* says whether all users are read or only those whom the baseline beside the journal doesn't know, or who
    would change; None is the environment's default. *select* and *exclude* are globs over ``kind/name``. *max_age_seconds* limits how
    old users and rows that were read earlier may be. *set_values* are values of parameters of queries. *allow_lookups* replaces the
    budget of billable lookups per month. With *moved_since*, users of the baseline are also read if an export of sessions shows that they
    were active since they were last seen; it lacks some sessions, so it never shows that a user was not.
    *out* is by default in ``.leanplum-sync``. A plan over budget is written too; ``apply`` refuses it without consent.

    Raises:
        SpecError: specs or data have problems.
        SourceUnreachableError: a database with rows can't be reached.
        UsageError: *select* and *exclude* match no spec that the environment covers, no query has a parameter of *set_values*, or *moved_since* is given without
            a baseline.
        ApiError, CredentialError: live state can't be read.
        PlanError: the snapshot can't be used, or the plan can't be written.
        MonthlyBudgetError: reading would exceed the budget of the month.
        MigrationChangedError: the app has moved to CleverTap.
    """
    chosen = Chosen([Path(spec) for spec in specs], select, exclude)
    loaded = select_resources(load(project.path, chosen.specs), select, exclude)
    if loaded.project is None:
        raise SpecError(loaded.problems)
    check_selection(loaded, project.settings.environment, select, is_chosen=bool(specs))
    request = PlanFileRequest(
        out=Path(out) if out else project.settings.default_plan,
        observed=observe if snapshot is None else Path(snapshot),
        max_age_seconds=max_age_seconds,
        problems=ListingFile(project.settings.state_folder / "problems.ndjson"),
        chosen=chosen,
        set_values=set_values or {},
        allow_lookups=allow_lookups,
        reads_moved=moved_since is not None,
    )
    write_plan(loaded, project.settings, request, progress_to(progress))
    return Plan.open(request.out, project)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Spec files and globs over ``kind/name``. Without any, all specs of the project are planned."""

    specs: Sequence[Path] = ()
    select: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def scope(self, root: Path, project: ProjectFile) -> Scope:
        specs = (path.resolve() for path in self.specs)
        names = tuple(path.relative_to(root).as_posix() for path in specs if path.is_relative_to(root))
        return Scope(spec_inputs(root, project), names, tuple(self.select), tuple(self.exclude))


@dataclass(frozen=True, slots=True)
class PlanFileRequest:
    """
    *observed* is a snapshot, or how to observe users; None is the environment's default. *problems* lists all problems of specs and data. *parts* is how many processes can
    share the plan; *shard* plans for one of them alone. *chosen* is what was planned of the project's specs. *set_values* are
    values of parameters of queries. *allow_lookups* replaces the budget of the month. *reads_moved*: users of the baseline who were active
    since they were last seen are read, see ``sessions``.
    """

    out: Path
    observed: Path | Observe | None
    max_age_seconds: float | None
    problems: ListingFile
    parts: int = 1
    shard: Part | None = None
    memory_mb: int = MEMORY_LIMIT_MB
    chosen: Chosen = field(default_factory=Chosen)
    set_values: Mapping[str, str] = field(default_factory=dict)
    allow_lookups: int | None = None
    reads_moved: bool = False
    on_lost_baseline: Callable[[str], None] = lambda _: None


def keys_for(loaded: Loaded, *, reads_users: bool) -> Sequence[KeyClass]:
    """Return the keys that planning *loaded* needs. It *reads_users* unless there is a snapshot."""
    reads_users = reads_users and any(each.kind.has_rows for each in loaded.resources)
    counted = expected_audiences(loaded.resources)
    exports_users = bool(counted) or any(audience_of(each.source) for each in loaded.resources)
    finds_messages = any(
        each.message is not None or not set(counted).issuperset(each.expectations)
        for each in loaded.resources
    )
    return [
        *([KeyClass.DATA_EXPORT] if reads_users or exports_users else []),
        *([KeyClass.CONTENT_READ_ONLY] if finds_messages else []),
    ]


def write_plan(
    loaded: Loaded,
    settings: Settings,
    request: PlanFileRequest,
    progress: Progress,
    on_changed_seed: Callable[[Path], None] = lambda _: None,
    *,
    on_retry: OnRetry = nobody,
    warn: Callable[[str], None] = lambda _: None,
) -> MonthlyBudgetError | None:
    """
    Read rows of connections, check *loaded*, read live state and write the plan. Errors are those of ``plan``.

    Return why ``apply`` will refuse the plan, if applying it would exceed the month's budget.
    """
    _check_moved(request, settings)
    _check_live(loaded, request, settings)
    uncovered = left_out_remark(loaded, settings.environment)
    loaded = covered(loaded, settings.environment)
    reading = Reading(
        os.environ,
        SystemClock(),
        progress,
        request.set_values,
        request.max_age_seconds,
        audiences=audiences(settings, "plan", expects=True, on_retry=on_retry, warn=warn),
    )
    loaded = read_rows(loaded, reading)
    with Staging(settings.state_folder, request.memory_mb) as staging:
        findings = check(loaded, staging, progress, request.problems)
        findings.raise_if_any()
        if request.shard is not None:
            staging.keep(request.shard)

        scope = request.chosen.scope(loaded.root, loaded.project) if loaded.project else None
        if scope is not None:
            files = [loaded.root / each.path for each in scope.files]
            loaded = check_opt_outs(loaded, files, reading, settings.state_folder)
            loaded = check_erased_alone(loaded, files, reading, settings.state_folder)
        windows = export_notes(loaded.resources, settings, request.shard)
        remarks: list[Remark] = [uncovered] if uncovered is not None else []
        with (
            connected(
                settings,
                on_changed_seed,
                command="plan",
                needs=keys_for(loaded, reads_users=not isinstance(request.observed, Path)),
                on_retry=on_retry,
                warn=warn,
                allowed_lookups=request.allow_lookups,
            ) as app,
            _observing(settings, request, _Around(app, loaded, staging, progress), remarks) as observed,
            read_deliveries(settings.journal) as journal,
        ):
            if problems := unmet_in_app(loaded.resources, app.reader()):
                raise SpecError(list(problems))
            made = make_plan(
                loaded,
                staging,
                PlanRequest(
                    target=target_of(settings),
                    out=request.out,
                    observed=admitted(observed, app.costs),
                    budget=settings.budget,
                    sensitive=with_renamed(settings.sensitive, loaded.resources),
                    requests_per_second=settings.environment.limits.requests_per_second,
                    marker=settings.increment_receipts,
                    parts=request.parts,
                    part=request.shard,
                    settle_seconds=settle_seconds(settings),
                    is_migrating=is_migrating(app.reader()),
                    repeated_send_days=settings.environment.limits.repeated_send_days,
                    remarks=[*findings.remarks, *remarks],
                    scope=scope,
                    journal=journal_here(settings, target_of(settings).app_id),
                    notes=windows,
                ),
                reader=app.reader(),
                journal=journal,
                clock=SystemClock(),
                progress=progress,
            )
            if lost := _add_to_baseline(settings, observed, made, loaded, progress):
                request.on_lost_baseline(lost)
            app.costs.about(plan_digest=made.digest)
            return app.costs.refusal(forecast_of(made.summary))


@dataclass(frozen=True, slots=True)
class _Around:
    """What a plan that assumes something needs besides settings. *staging* has all rows."""

    app: App
    loaded: Loaded
    staging: Staging
    progress: Progress

    @property
    def folder(self) -> Path:
        """Return the folder for files that are needed as long as the plan is made."""
        return self.staging.folder

    def seed(self, source: str) -> str:
        """Return what decides whom an audit draws: the plan's inputs, and the state of the *source* of what it assumes."""
        return " ".join([source, *(each.sha256 for each in self.loaded.inputs)])


@contextmanager
def _observing(
    settings: Settings, request: PlanFileRequest, around: _Around, remarks: list[Remark]
) -> Iterator[Observed]:
    """Yield where users come from. A baseline that can't be used is left out, with one of *remarks*."""
    if isinstance(request.observed, Path):
        yield Recorded(request.observed, request.max_age_seconds)
        return
    match request.observed or settings.environment.observe:
        case Observe.LIVE:
            with reading_live(settings, request.max_age_seconds, around.folder, request.shard) as live:
                yield live
        case Observe.JOURNAL:
            with reading_live(settings, None, around.folder, request.shard) as live:
                yield _assumed(settings, request, around, remarks, live)
        case Observe.EXPORT:
            with reading_live(settings, None, around.folder, request.shard) as live:
                yield _exported(settings, request, around, remarks, live)


def _assumed(
    settings: Settings, request: PlanFileRequest, around: _Around, remarks: list[Remark], live: Live
) -> Assumed | Live:
    baseline = baseline_of(settings)

    def unused(reason: object, then: str) -> Live:
        place = Place(os.path.relpath(settings.baseline, settings.root))
        remarks.append(Remark(Problem(place, f"the baseline is not used: {reason}", then)))
        return live

    try:
        settings.baseline.mkdir(mode=0o700, parents=True, exist_ok=True)  # from now on, it is kept
    except OSError as error:
        return unused(error.strerror, "All users were read live. Move what is in its place.")
    age = request.max_age_seconds
    not_before = None if age is None else SystemClock().now() - age
    try:
        baseline.fetch()
        if not baseline.exists:
            return live
        with read_journal(settings.journal, keys=SealingKeys()) as journal:
            head, assumptions = baseline.assume(journal, around.folder, not_before)
    except UnusableError as error:
        return unused(error, "All users were read live. A new baseline replaces it.")
    if request.reads_moved:
        assumptions = _without_moved(settings, assumptions, around, remarks)
    _remark_read(around, never_assumed(around.loaded.resources), remarks)
    seed = around.seed(head.digest)  # another generation draws others
    return Assumed(assumptions, live, frozenset(head.names), audit=settings.audit, seed=seed)


def _check_moved(request: PlanFileRequest, settings: Settings) -> None:
    """
    Raises:
        UsageError: active users are to be read, and nothing is assumed of them.
    """
    if request.reads_moved and (request.observed or settings.environment.observe) is not Observe.JOURNAL:
        raise UsageError(
            "--moved-since needs --observed journal: otherwise, no user is assumed to be as the baseline shows."
        )


def _check_live(loaded: Loaded, request: PlanFileRequest, settings: Settings) -> None:
    """
    Raises:
        UsageError: users are to be erased, and a snapshot is to show who of them exists.
    """
    erasing = [str(each.address) for each in covered(loaded, settings.environment).resources if each.erases]
    if erasing and isinstance(request.observed, Path):
        raise UsageError(
            f"{', '.join(erasing)}: only reading users shows who of them still exists. Leave out --observed, or use --exclude."
        )


def _without_moved(
    settings: Settings, assumptions: Assumptions, around: _Around, remarks: list[Remark]
) -> Assumptions:
    """Assume nothing of users who were active since the baseline last saw them, and say how many they are."""
    listed = write_listed(around.staging.subjects(), around.folder)
    since = oldest(assumptions, listed)
    if since is None:
        return assumptions
    sessions = export_sessions(
        around.app.exporter(), since, around.folder, clock=SystemClock(), progress=around.progress
    )
    assumptions, count = without_moved(assumptions, listed, sessions.files, around.folder)
    place = Place(os.path.relpath(settings.baseline, settings.root))
    remarks.append(Remark(Problem(place, moved_sentence(count, utc(int(sessions.since))))))
    return assumptions


def _remark_read(around: _Around, reasons: Mapping[ResourceAddress, str], remarks: list[Remark]) -> None:
    """Add a remark for each spec whose users are all read."""
    places = {each.address: each.place for each in around.loaded.resources}
    remarks.extend(
        Remark(Problem(places[address], f"all its users were read: {reason}", address=str(address)))
        for address, reason in reasons.items()
    )


def _exported(
    settings: Settings, request: PlanFileRequest, around: _Around, remarks: list[Remark], live: Live
) -> Assumed | Live:
    """Export what the specs need. Each spec whose users have to be read anyway gets one of *remarks*."""
    found = exportable(around.loaded.resources)
    _remark_read(around, found.read_live, remarks)
    if not found.attributes:
        return live
    age = EXPORTED_FOR_SECONDS if request.max_age_seconds is None else request.max_age_seconds
    snapshot = around.folder / "exported.ndjson"
    with exporting(settings, around.app, "plan", age, around.progress) as jobs:
        report = jobs.export(found.attributes, snapshot, around.folder)
    app = around.app.target.app_id
    with read_journal(settings.journal, keys=SealingKeys()) as journal:
        touched = journal.touched_since(app, journal.position(app, report.asked_at))
        written = (each.removeprefix("user:") for each in touched if each.startswith("user:"))
        assumptions = assume_export(snapshot, found.attributes, written, around.folder)
    names, seed = frozenset(found.attributes), around.seed(repr(report.asked_at))
    return Assumed(assumptions, live, names, UNSEEN, settings.audit, seed)


def _add_to_baseline(
    settings: Settings, observed: Observed, made: MadePlan, loaded: Loaded, progress: Progress
) -> str:
    """Add the users who were read. Return why that can't be done, empty if it was or need not be."""
    match observed:
        case Recorded():
            return ""
        case Live():
            live = observed
        case Assumed(live=live):
            pass
        case _:
            assert_never(observed)
    try:
        if made.read_since is None or not is_kept(settings) or not live.into.exists():
            return ""
    except JournalError as error:
        return str(error)
    fields = managed_fields(loaded.resources)
    read = Read(live.into, made.read_since, made.position, fields, made.names, made.unsettled)
    with progress.track("Updating the baseline", None, "user"):
        return add_read(settings, read)


def select_resources(loaded: Loaded, select: Sequence[str], exclude: Sequence[str]) -> Loaded:
    """
    Keep the resources whose ``kind/name`` matches one of *select*, if there are any, and none of *exclude*.
    Expectations on which they depend are kept, too, unless they are in *exclude*.

    Raises:
        UsageError: none is left.
    """

    def is_excluded(address: str) -> bool:
        return any(fnmatchcase(address, glob) for glob in exclude)

    def is_wanted(address: str) -> bool:
        selected = not select or any(fnmatchcase(address, glob) for glob in select)
        return selected and not is_excluded(address)

    kept = tuple(each for each in loaded.resources if is_wanted(str(each.address)))
    if loaded.resources and not kept:
        known = ", ".join(str(each.address) for each in loaded.resources)
        raise UsageError(f"--select and --exclude leave no spec to plan. The project has {known}.")
    return replace(loaded, resources=with_expected(kept, loaded.resources, is_excluded))
