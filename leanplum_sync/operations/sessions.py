"""
Exports sessions, so that a plan can read users who were active since the baseline last saw them.

Only what the files show counts: they lack a tenth of the sessions and more, and a session may arrive eight days late. So a session
shows that its user may have changed, and without one, nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Final, Protocol

from leanplum_sync.client.api.jobs import ExportResult, JobState
from leanplum_sync.clock import Clock
from leanplum_sync.errors import CredentialError, ExportFailedError, NoAnswerError, RejectedError
from leanplum_sync.operations.exporting import POLL_SECONDS, WAIT_SECONDS
from leanplum_sync.progress import Progress

# Source: API reference, exportData: days are those of California, and none is older than 60 days.
_WINTER, _SUMMER = timezone(timedelta(hours=-8)), timezone(timedelta(hours=-7))
_OLDEST_DAYS: Final = 59
_DAY: Final = 86_400.0
_NOT_FOUND: Final = 404  # how the API answered in 2015 if there were no sessions
_OTHERWISE: Final = "Plan without --moved-since, or run the same command again to start another job."


class ExportsSessions(Protocol):
    def start_sessions(self, first_day: str, last_day: str) -> str: ...
    def result(self, job_id: str) -> ExportResult: ...
    def download(self, url: str, into: Path) -> None: ...


@dataclass(frozen=True, slots=True)
class Sessions:
    """*since* is from when on the *files* may have sessions, in epoch seconds."""

    files: tuple[Path, ...]
    since: float


def export_sessions(
    exports: ExportsSessions,
    since: float,
    into: Path,
    *,
    clock: Clock,
    progress: Progress,
    poll_seconds: float = POLL_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
) -> Sessions:
    """
    Export the sessions *since* then, in epoch seconds, but of the last 59 days at most. The files are in the folder *into*.

    It takes one of 24 jobs a day. A job isn't resumed: if the command is killed, the next one starts another.

    Raises:
        ExportFailedError: the job failed, or its files can't be downloaded.
        NoAnswerError: the job took too long.
        ApiError, CredentialError: as for the API's calls.
    """
    now = clock.now()
    first = datetime.fromtimestamp(max(since, now - _OLDEST_DAYS * _DAY), _WINTER)
    last = datetime.fromtimestamp(now, _SUMMER)
    began = first.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    with progress.track("Exporting sessions", None, "file") as task:
        try:
            job_id = exports.start_sessions(f"{first:%Y%m%d}", f"{last:%Y%m%d}")
        except CredentialError:
            raise
        except RejectedError as error:
            if error.status != _NOT_FOUND:
                raise
            return Sessions((), began)
        files: list[Path] = []
        for url in _finished(exports, job_id, clock, poll_seconds, wait_seconds).files:
            path = into / f"sessions-{len(files)}.ndjson"
            try:
                exports.download(url, path)
            except RejectedError as error:
                raise ExportFailedError(
                    f"The exported sessions can't be downloaded. {error} {_OTHERWISE}"
                ) from error
            files.append(path)
            task.advance()
    return Sessions(tuple(files), began)


def _finished(
    exports: ExportsSessions, job_id: str, clock: Clock, poll_seconds: float, wait_seconds: float
) -> ExportResult:
    deadline = clock.monotonic() + wait_seconds
    while True:
        result = exports.result(job_id)
        match result.state:
            case JobState.FINISHED:
                return result
            case JobState.FAILED:
                raise ExportFailedError(f"Leanplum reports that the export of sessions failed. {_OTHERWISE}")
            case JobState.PENDING | JobState.RUNNING:
                pass
        if clock.monotonic() + poll_seconds > deadline:
            raise NoAnswerError(
                f"The job that exports sessions is still {result.state.value.lower()} after {wait_seconds / 3600:.0f} h. {_OTHERWISE}"
            )
        clock.sleep(poll_seconds)
