"""
Exports windows of sessions or of reports: one job for each, whose files are downloaded, checked against what the job said, and kept.

A job takes one from a small daily quota, so none is paid twice: the ledger has each from the moment before it is asked for. After a crash, the
same call waits for the jobs that were started. Windows for which no job is left wait for another day.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from leanplum_sync.address import ResourceAddress
from leanplum_sync.client.api.jobs import ExportResult, JobState
from leanplum_sync.clock import Clock, utc
from leanplum_sync.errors import (
    CredentialError,
    ExportFailedError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    SpecError,
)
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.export_series import ExportSeries
from leanplum_sync.operations.exporting import LIMIT, POLL_SECONDS, WAIT_SECONDS, Owner
from leanplum_sync.operations.kept_windows import Presence, WindowFolder
from leanplum_sync.planner.plan import EXPORT, REMARK, Note, Target
from leanplum_sync.problem import Problem
from leanplum_sync.progress import Progress
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    from leanplum_sync.journal.ledger import ExportJob, Quota

_AGAIN: Final = "Run the same command again"
_NOT_FOUND: Final = 404  # how exportData answered in 2015 if there were no sessions
_NOT_STARTED: Final = (CredentialError, RejectedError, NotSentError)
_SHOWN: Final = 3


class ExportsWindows(Protocol):
    def start_sessions(self, first_day: str, last_day: str) -> str: ...
    def start_report(self, arguments: Mapping[str, Json], first_day: str, last_day: str) -> str: ...
    def result(self, job_id: str) -> ExportResult: ...
    def download(self, url: str, into: Path) -> None: ...


class KeepsWindowJobs(Protocol):
    def ask_for_job(self, app: str, environment: str, command: str, attribute: str) -> ExportJob | None: ...
    def job_to_resume(self, app: str, attribute: str) -> ExportJob | None: ...
    def job_started(self, job: ExportJob, job_id: str) -> ExportJob: ...
    def job_finished(self, job: ExportJob) -> ExportJob: ...
    def job_used(self, job: ExportJob, outcome: str = "") -> ExportJob: ...
    def job_failed(self, job: ExportJob, outcome: str) -> ExportJob: ...
    def job_refused(self, job: ExportJob, outcome: str) -> ExportJob: ...
    def quota(self, app: str, *, action: str) -> Quota: ...


@dataclass(frozen=True, slots=True)
class SeriesState:
    """The windows of one document: the *pending* ones, missing ones that are too old to be exported (*expired*), and *foreign* ones."""

    address: ResourceAddress
    pending: tuple[WindowFolder, ...]
    expired: tuple[WindowFolder, ...]
    foreign: tuple[WindowFolder, ...]

    @property
    def problems(self) -> Iterator[Problem]:
        for each in self.foreign[:1]:
            yield Problem(
                each.series.place,
                f"{each.name} has files of another app, or of another export",
                "Choose another folder. With {environment} in its name, each environment has its own.",
                str(self.address),
            )


def states_of(
    resources: Iterable[Resource], root: Path, target: Target, *, due_at: float, now: float
) -> tuple[SeriesState, ...]:
    """
    Return which windows of *target*'s app, of the windows due at *due_at*, are missing on disk at *now*.

    Raises:
        SpecError: a link leads out of the project.
        OSError: a folder can't be read.
    """
    found = []
    for resource in resources:
        if resource.exports is None:
            continue
        series = resource.exports.of(target.environment)
        if not (root / series.folder).resolve().is_relative_to(root.resolve()):
            raise SpecError([_outside(series, resource.address)])
        by_presence: dict[Presence, list[WindowFolder]] = {each: [] for each in Presence}
        for window in series.due(due_at):
            folder = WindowFolder(root, target.app_id, series, window)
            by_presence[folder.presence()].append(folder)
        lacking = sorted(
            [*by_presence[Presence.MISSING], *by_presence[Presence.DAMAGED]],
            key=lambda each: each.window.first,
        )
        found.append(
            SeriesState(
                resource.address,
                tuple(each for each in lacking if each.window.is_available(now)),
                tuple(each for each in lacking if not each.window.is_available(now)),
                tuple(by_presence[Presence.FOREIGN]),
            )
        )
    return tuple(found)


def _outside(series: ExportSeries, address: ResourceAddress) -> Problem:
    return Problem(
        series.place,
        f"the folder {series.folder} is outside the project folder",
        "Replace the link by a folder.",
        str(address),
    )


def notes_on(states: Sequence[SeriesState], quotas: Mapping[str, Quota]) -> Iterator[Note]:
    """Yield what a plan says about windows. *quotas* are by action."""
    left = {action: quota.left for action, quota in quotas.items()}
    for state in states:
        if count := len(state.pending):
            series = state.pending[0].series
            quota, can = quotas[series.action], min(count, left[series.action])
            left[series.action] -= can
            names = _named(state.pending)
            sentence = (
                f"{_windows(count)} {'is' if count == 1 else 'are'} missing ({names}): exporting {'it' if count == 1 else 'them'} takes"
                f" {count} of {quota.most} {series.action} jobs a day, and {quota.left} {'is' if quota.left == 1 else 'are'} left."
            )
            if can < count:
                sentence += f" {count - can} will wait for the next apply after {utc(quota.resets_at)}."
            yield Note(EXPORT, str(state.address), sentence, count, (series.folder,))
        if gone := len(state.expired):
            yield Note(
                REMARK,
                str(state.address),
                f"{_windows(gone)} ({_named(state.expired)}) can't be exported any more: Leanplum has the data of the last 60 days. Move"
                " `from` to a later day.",
                gone,
                (str(state.expired[0].series.place),),
            )


@dataclass(slots=True)
class WindowsReport:
    """Folders of windows that were *exported*, that *waited* because no job was left today, and that *failed*, with reasons."""

    exported: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    kept_aside: list[str] = field(default_factory=list)
    resets_at: float = 0.0

    @property
    def sentences(self) -> Iterator[str]:
        if self.exported:
            yield f"Exported {_windows(len(self.exported))}: {', '.join(self.exported)}."
        for name in self.kept_aside:
            yield f"The incomplete folder that was in the way is kept as {name}."

    @property
    def complaints(self) -> Iterator[str]:
        for name, why in self.failed.items():
            yield f"{name} was not exported. {why}"
        if self.failed:
            yield f"{_AGAIN} to export {'it' if len(self.failed) == 1 else 'them'}."
        if self.waiting:
            yield (
                f"{_windows(len(self.waiting))} must wait because today's jobs are used up: {', '.join(self.waiting)}."
                f" {_AGAIN} after {utc(self.resets_at)}."
            )


@dataclass(frozen=True, slots=True)
class WindowExporting:
    exports: ExportsWindows
    ledger: KeepsWindowJobs
    owner: Owner
    clock: Clock
    progress: Progress
    poll_seconds: float = POLL_SECONDS
    wait_seconds: float = WAIT_SECONDS

    def export(self, folders: Sequence[WindowFolder]) -> WindowsReport:
        """
        Export *folders*: start as many jobs as the quota allows, and then wait for each. A window that fails doesn't stop others.

        Raises:
            CredentialError, ApiError: Leanplum refuses the key, or can't be reached. The same call continues.
            StorageError, JournalError: the ledger can't be written.
            OSError: a folder can't be written.
        """
        report = WindowsReport()
        jobs: list[tuple[WindowFolder, ExportJob]] = []
        used_up: set[str] = set()
        for folder in folders:
            job = self._known(folder)
            if job is None and folder.series.action not in used_up:
                job = self._start(folder, used_up, report)
            if job is not None:
                jobs.append((folder, job))
            elif folder.series.action in used_up:
                report.waiting.append(folder.name)
                report.resets_at = self._quota(folder).resets_at
        deadline = self.clock.monotonic() + self.wait_seconds
        with self.progress.track("Exporting windows", len(jobs), "window") as task:
            for folder, job in jobs:
                try:
                    self._keep(folder, job, self._finished(folder, job, deadline), report)
                except ExportFailedError as error:
                    report.failed[folder.name] = str(error)
                task.advance()
        return report

    def _quota(self, folder: WindowFolder) -> Quota:
        return self.ledger.quota(self.owner.app, action=folder.series.action)

    def _known(self, folder: WindowFolder) -> ExportJob | None:
        """Return a job that an earlier call started. One that the API doesn't know, or that failed, is settled on the way."""
        while job := self.ledger.job_to_resume(self.owner.app, folder.series.key_of(folder.window)):
            try:
                state = self.exports.result(job.job_id or "").state
            except RateLimitedError:
                raise
            except RejectedError:
                self.ledger.job_used(job, "Leanplum no longer knows the job.")
                continue
            if state is not JobState.FAILED:
                return job
            self.ledger.job_failed(job, "Leanplum reports that the job failed.")
        return None

    def _start(self, folder: WindowFolder, used_up: set[str], report: WindowsReport) -> ExportJob | None:
        """Start a job; None if none is left today, or if there is nothing to export, which is kept."""
        series, window = folder.series, folder.window
        job = self.ledger.ask_for_job(
            self.owner.app, self.owner.environment, self.owner.command, series.key_of(window)
        )
        if job is None:
            used_up.add(series.action)
            return None
        first, last = f"{window.first:%Y%m%d}", f"{window.last:%Y%m%d}"
        try:
            if series.action == "exportData":
                job_id = self.exports.start_sessions(first, last)
            else:
                job_id = self.exports.start_report(series.arguments, first, last)
        except _NOT_STARTED as error:
            self.ledger.job_refused(job, type(error).__name__)
            # How the API refuses a job over the quota isn't documented: the status may be that of a bad key.
            if not isinstance(error, RateLimitedError | NotSentError) and LIMIT.search(str(error)):
                used_up.add(series.action)
                return None
            is_empty = isinstance(error, RejectedError) and error.status == _NOT_FOUND
            if is_empty and series.action == "exportData":
                folder.begin()
                self._publish(folder, (), {"sessions": 0, "bytes": 0}, report)
                return None
            raise
        return self.ledger.job_started(job, job_id)

    def _finished(self, folder: WindowFolder, job: ExportJob, deadline: float) -> ExportResult:
        while True:
            result = self.exports.result(job.job_id or "")
            match result.state:
                case JobState.FINISHED:
                    self.ledger.job_finished(job)
                    return result
                case JobState.FAILED:
                    why = "Leanplum reports that the job failed."
                    self.ledger.job_failed(job, why)
                    raise ExportFailedError(why)
                case JobState.PENDING | JobState.RUNNING:
                    pass
            if self.clock.monotonic() + self.poll_seconds > deadline:
                raise NoAnswerError(
                    f"The job that exports {folder.name} is still {result.state.value.lower()} after"
                    f" {self.wait_seconds / 3600:.0f} h. {_AGAIN} to continue waiting: the job is not paid for again."
                )
            self.clock.sleep(self.poll_seconds)

    def _keep(
        self, folder: WindowFolder, job: ExportJob, result: ExportResult, report: WindowsReport
    ) -> None:
        """Download the files of *job*, check them, and make them the window."""
        part = folder.begin()
        if folder.series.action == "exportData":
            files = self._sessions(job, result, part)
            told: dict[str, Json] = {"sessions": result.sessions, "bytes": result.size_bytes}
        else:
            files, told = self._report(job, result, part), {}
        self._publish(folder, files, told, report)
        self.ledger.job_used(job)

    def _publish(
        self, folder: WindowFolder, files: Sequence[Path], told: Mapping[str, Json], report: WindowsReport
    ) -> None:
        if aside := folder.publish(files, told):
            report.kept_aside.append(aside)
        report.exported.append(folder.name)

    def _report(self, job: ExportJob, result: ExportResult, part: Path) -> Sequence[Path]:
        if result.data is None:
            raise self._useless(job, "The job finished without a report.")
        path = part / "report.json"
        path.write_bytes(json.dumps(result.data, ensure_ascii=False, indent=2).encode() + b"\n")
        return (path,)

    def _sessions(self, job: ExportJob, result: ExportResult, part: Path) -> Sequence[Path]:
        if result.size_bytes is None or result.sessions is None:
            raise self._useless(job, "Leanplum doesn't say how many sessions and bytes its files have.")
        paths = tuple(part / f"sessions-{number}.ndjson" for number in range(len(result.files)))
        for url, path in zip(result.files, paths, strict=True):
            try:
                self.exports.download(url, path)
            except RateLimitedError:
                raise
            except (ExportFailedError, RejectedError) as error:
                raise self._useless(job, str(error)) from error
        size = sum(path.stat().st_size for path in paths)
        if size != result.size_bytes:
            raise self._useless(job, f"Its files have {size:,} bytes instead of {result.size_bytes:,}.")
        count = sum(map(_lines, paths))
        if count != result.sessions:
            raise self._useless(job, f"Its files have {count:,} sessions instead of {result.sessions:,}.")
        return paths

    def _useless(self, job: ExportJob, why: str) -> ExportFailedError:
        """The API counts the job, but its files are of no use, now or later."""
        self.ledger.job_used(job, why)
        return ExportFailedError(why)


def _lines(path: Path) -> int:
    """Return the number of sessions: lines that aren't empty, the last one with or without a line break."""
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _named(folders: Sequence[WindowFolder]) -> str:
    names = [each.window.name for each in folders]
    return ", ".join(names) if len(names) <= _SHOWN else f"{names[0]} to {names[-1]}"


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count:,} windows"
