"""
Exports users into a snapshot: one exportUsers job for each attribute, whose files are downloaded, checked, merged, and deleted.

A job that succeeds takes one from a quota of 40 a day, so none is paid twice. The ledger has each job from the moment before it is
asked for. After a crash, the same call waits for the jobs that were started, or downloads their files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from leanplum_sync.client.api.jobs import ExportResult, JobState
from leanplum_sync.clock import Clock, utc
from leanplum_sync.errors import (
    CredentialError,
    ExportFailedError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
)
from leanplum_sync.observed.export_snapshot import (
    ExportCounts,
    ExportedFile,
    check_writable,
    merge,
)
from leanplum_sync.progress import Progress

if TYPE_CHECKING:
    from leanplum_sync.journal.ledger import ExportJob, Quota

T = TypeVar("T")

POLL_SECONDS: Final = 30.0  # Source: Leanplum docs ask for 30 to 60
WAIT_SECONDS: Final = 6 * 3600.0
_FAILED: Final = "Leanplum reports that the job failed."
_OTHERWISE: Final = "Or read live state: leanplum-sync plan --observed live"
LIMIT: Final = re.compile("limit|quota|exceed", re.IGNORECASE)
_NOT_STARTED: Final = (CredentialError, RejectedError, NotSentError)


class Exports(Protocol):
    def start(self, attribute: str) -> str: ...
    def result(self, job_id: str) -> ExportResult: ...
    def download(self, url: str, into: Path) -> None: ...


class KeepsJobs(Protocol):
    def ask_for_job(self, app: str, environment: str, command: str, attribute: str) -> ExportJob | None: ...
    def job_to_resume(self, app: str, attribute: str, *, asked_since: float) -> ExportJob | None: ...
    def job_started(self, job: ExportJob, job_id: str) -> ExportJob: ...
    def job_finished(self, job: ExportJob) -> ExportJob: ...
    def job_used(self, job: ExportJob, outcome: str = "") -> ExportJob: ...
    def job_failed(self, job: ExportJob, outcome: str) -> ExportJob: ...
    def job_refused(self, job: ExportJob, outcome: str) -> ExportJob: ...
    def quota(self, app: str) -> Quota: ...


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose jobs they are, in the ledger."""

    app: str
    environment: str
    command: str


@dataclass(frozen=True, slots=True)
class Used(Generic[T]):
    """The *result* of using the files of *jobs*, of which *started* were paid for by this call; the others by an earlier one."""

    result: T
    jobs: Sequence[ExportJob]
    started: int
    quota: Quota


@dataclass(frozen=True, slots=True)
class ExportReport:
    """*started* jobs were paid for by this call; *resumed* by an earlier one. *asked_at* is when the oldest was asked for."""

    attributes: tuple[str, ...]
    started: int
    resumed: int
    asked_at: float
    counts: ExportCounts
    quota: Quota


@dataclass(frozen=True, slots=True)
class Exporting:
    """
    Jobs that an earlier call started and didn't use are taken if they are no older than *max_age_seconds*. *otherwise* is what errors
    advise people to do instead.
    """

    exports: Exports
    ledger: KeepsJobs
    owner: Owner
    clock: Clock
    progress: Progress
    max_age_seconds: float
    poll_seconds: float = POLL_SECONDS
    wait_seconds: float = WAIT_SECONDS
    otherwise: str = _OTHERWISE

    def export(self, attributes: Sequence[str], into: Path, scratch: Path) -> ExportReport:
        """
        Export *attributes* into the snapshot *into*, which is replaced as a whole. Downloads are kept in *scratch* until then.

        Raises:
            RateLimitedError: the quota has too few jobs left. The next call takes the jobs that were started.
            ExportFailedError: a job failed, or its file can't be used. The next call starts another.
            NoAnswerError: a job took too long, or can't be asked about now. The same call continues.
            CredentialError, ApiError: as for the API's calls.
            StorageError, JournalError: the ledger can't be written.
            OSError: *into* can't be written. No job was started.
        """
        check_writable(into)
        used = self.use(attributes, scratch, lambda files: merge(files, into, scratch))
        return ExportReport(
            tuple(attributes),
            used.started,
            len(used.jobs) - used.started,
            min(job.asked_at for job in used.jobs),
            used.result,
            used.quota,
        )

    def use(
        self, attributes: Sequence[str], scratch: Path, use: Callable[[Sequence[ExportedFile]], T]
    ) -> Used[T]:
        """
        Export *attributes*, and pass their files to *use*, which must make durable what it needs of them: they are deleted afterwards.

        Raises the errors of ``export``, and those of *use*.
        """
        jobs, started = self._jobs(attributes)
        with self.progress.track("Exporting users", len(jobs), "attribute") as task:
            files = []
            deadline = self.clock.monotonic() + self.wait_seconds
            for number, job in enumerate(jobs):
                result = self._finished(job, deadline)
                folder = scratch / f"export-{number}"
                files.append(ExportedFile(job.attribute, self._download(job, result, folder), job.asked_at))
                task.advance()
        with self._checking(jobs), self.progress.track("Merging the exports", None, "user"):
            used = use(files)
        for job in jobs:
            self.ledger.job_used(job)
        for each in files:
            for path in each.paths:
                path.unlink()
        return Used(used, jobs, started, self.ledger.quota(self.owner.app))

    def _jobs(self, attributes: Sequence[str]) -> tuple[list[ExportJob], int]:
        """Return the jobs to wait for, in the order of *attributes*, and how many were started now: all of them together."""
        since = self.clock.now() - self.max_age_seconds
        found = {name: self._known(name, since) for name in attributes}
        missing = [name for name, job in found.items() if job is None]
        quota = self.ledger.quota(self.owner.app)
        if len(missing) > quota.left:
            raise self._used_up(len(missing), quota)
        for number, name in enumerate(missing):
            found[name] = self._start(name, number)
        return [job for job in found.values() if job is not None], len(missing)

    def _known(self, attribute: str, since: float) -> ExportJob | None:
        """Return a job that an earlier call started. One that the API doesn't know, or that failed, is settled on the way."""
        while job := self.ledger.job_to_resume(self.owner.app, attribute, asked_since=since):
            try:
                state = self.exports.result(job.job_id or "").state
            except RateLimitedError:
                raise
            except RejectedError:
                self.ledger.job_used(job, "Leanplum no longer knows the job.")
                continue
            if state is not JobState.FAILED:
                return job
            self.ledger.job_failed(job, _FAILED)
        return None

    def _start(self, attribute: str, before: int) -> ExportJob:
        """Start a job, after *before* others."""
        job = self.ledger.ask_for_job(self.owner.app, self.owner.environment, self.owner.command, attribute)
        if job is None:  # another process was faster
            raise self._used_up(1, self.ledger.quota(self.owner.app), before)
        try:
            job_id = self.exports.start(attribute)
        except _NOT_STARTED as error:
            self.ledger.job_refused(job, type(error).__name__)
            # How the API refuses a job over the quota isn't documented: the status may be that of a bad key.
            if not isinstance(error, RateLimitedError | NotSentError) and LIMIT.search(str(error)):
                resets = utc(self.ledger.quota(self.owner.app).resets_at)
                raise RateLimitedError(
                    "Leanplum refused to start a job, because the app's quota of exportUsers jobs is used up: other programs"
                    f" count too. {_started(before)} Try again after {resets}. {self.otherwise}",
                    status=403,
                ) from error
            raise
        return self.ledger.job_started(job, job_id)

    def _used_up(self, needed: int, quota: Quota, before: int = 0) -> RateLimitedError:
        return RateLimitedError(
            f"Exporting takes {_jobs(needed)}, and {quota.left} of {quota.most} a day are left for this app."
            f" {_started(before)} Try again after {utc(quota.resets_at)}. {self.otherwise}",
            status=403,
        )

    def _finished(self, job: ExportJob, deadline: float) -> ExportResult:
        while True:
            result = self.exports.result(job.job_id or "")
            match result.state:
                case JobState.FINISHED:
                    self.ledger.job_finished(job)
                    return result
                case JobState.FAILED:
                    self.ledger.job_failed(job, _FAILED)
                    raise self._useless(job, _FAILED)
                case JobState.PENDING | JobState.RUNNING:
                    pass
            if self.clock.monotonic() + self.poll_seconds > deadline:
                raise NoAnswerError(
                    f"The job that exports attribute {job.attribute} is still {result.state.value.lower()} after"
                    f" {self.wait_seconds / 3600:.0f} h. Run the same command again to continue waiting: the job is not paid for"
                    f" again. {self.otherwise}"
                )
            self.clock.sleep(self.poll_seconds)

    def _download(self, job: ExportJob, result: ExportResult, folder: Path) -> tuple[Path, ...]:
        """Download the files of *job* and check what the API tells about them."""
        if result.columns and job.attribute not in result.columns:
            raise self._failed(job, "It has no values of the attribute.")
        if not result.files:
            raise self._failed(job, "It has no files.")
        folder.mkdir(exist_ok=True)
        paths = tuple(folder / f"{number}.csv" for number in range(len(result.files)))
        for url, path in zip(result.files, paths, strict=True):
            try:
                self.exports.download(url, path)
            except ExportFailedError as error:
                raise self._failed(job, str(error)) from error
            except RateLimitedError:
                raise
            except RejectedError as error:
                raise self._failed(job, str(error)) from error
        size = sum(path.stat().st_size for path in paths)
        if result.size_bytes is not None and size != result.size_bytes:
            raise self._failed(job, f"Its files have {size:,} bytes instead of {result.size_bytes:,}.")
        return paths

    def _failed(self, job: ExportJob, why: str) -> ExportFailedError:
        """The API counts the job, but its files are of no use, now or later."""
        self.ledger.job_used(job, why)
        return self._useless(job, why)

    def _useless(self, job: ExportJob, why: str) -> ExportFailedError:
        return ExportFailedError(
            f"The export of attribute {job.attribute} can't be used. {why} Run the same command again to start another job."
            f" {self.otherwise}",
            attribute=job.attribute,
        )

    @contextmanager
    def _checking(self, jobs: Sequence[ExportJob]) -> Iterator[None]:
        try:
            yield
        except ExportFailedError as error:
            job = next(job for job in jobs if job.attribute == error.attribute)
            raise self._failed(job, str(error)) from error


def _started(count: int) -> str:
    if not count:
        return "No job was started."
    return f"{_jobs(count)} that {'was' if count == 1 else 'were'} started before this one will be used then."


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
