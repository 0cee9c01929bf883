"""Reads users into a snapshot, many at the same time, and resumes after an interruption."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from leanplum_sync import errors
from leanplum_sync.address import Subject
from leanplum_sync.client.throttle import Pace
from leanplum_sync.clock import Clock
from leanplum_sync.observed.crew import Crew
from leanplum_sync.observed.snapshot_entries import read
from leanplum_sync.observed.snapshot_writer import SnapshotWriter
from leanplum_sync.observed.users import Reading, ReadsUsers, Shown, Withheld
from leanplum_sync.progress import Progress, Task

Admit: TypeAlias = Callable[[int], None]  # gets the number of lookups; raises if they are too many

MOST_FAILURES: Final = 1000  # with more, the problem is not in single users
# Requests in flight are billed, so an interrupted pull waits for their responses, unless it is interrupted again.
_LAST_ANSWERS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Failure:
    """The API refused to return this one; the others are not affected."""

    subject: Subject
    sentence: str
    status: int


@dataclass(frozen=True, slots=True)
class PullReport:
    """
    *read* were read, each one billable lookup, and are in the file; *reused* were there already and new enough.

    *missing* of those read are not known to the app. *failures* names those the API refused to return. *again* were requested
    twice, because a response for several users was unusable; they may be billed twice.
    """

    read: int
    reused: int
    missing: int
    failures: tuple[Failure, ...]
    again: int = 0

    @property
    def lookups(self) -> int:
        return self.read + self.again

    @property
    def failed(self) -> int:
        return len(self.failures)


def pull(
    reader: ReadsUsers,
    subjects: Iterable[Subject],
    into: Path,
    *,
    concurrency: int,
    requests_per_second: float | None,
    max_age_seconds: float,
    clock: Clock,
    progress: Progress,
    total: int | None = None,
    together: int = 1,
    admit: Admit | None = None,
) -> PullReport:
    """
    Read *subjects* into the snapshot *into*, in the order of the responses.

    Entries in *into* that are younger than *max_age_seconds* are not read again: after an interruption, the same call
    continues. A subject named twice is read once. A rate limit slows all threads down. Up to *together* subjects are read with
    one request, as long as the API supports it. *admit* is called before the first request, and its error is passed on.

    Raises:
        CredentialError: at once; no further request starts.
        RateLimitedError, NotSentError, NoAnswerError: the API could not be reached; the same call continues.
        RejectedError: the API refused to return more than 1,000 users.
        SpecError: the snapshot can't be read or written.
    """
    with SnapshotWriter(into) as writer, closing(_Known()) as known:
        known.add_snapshot(into, not_before=clock.now() - max_age_seconds)
        pace = Pace(concurrency=concurrency, requests_per_second=requests_per_second, clock=clock)
        stopping = threading.Event()
        reading = Reading(reader, pace, clock, together=together, must_end=stopping.is_set)
        crew = Crew(reading.read, concurrency, stopping)
        tally = _Tally()
        if admit is not None:
            subjects = known.listed(subjects)
            admit(known.count_unknown())
        with progress.track("Reading users", total, "user") as task:
            try:
                for answer in crew.answers(reading.groups(known.unknown(subjects, tally, task))):
                    tally.add(answer, writer)
                    task.advance()
            except (errors.RateLimitedError, errors.NotSentError, errors.NoAnswerError) as error:
                raise _resumable(error, tally.read + tally.reused) from error
            finally:
                crew.stop()
                try:
                    crew.wait(_LAST_ANSWERS_SECONDS)
                finally:
                    for answer in crew.left():
                        if isinstance(answer, Shown):
                            tally.add(answer, writer)
        return tally.report()


class _Tally:
    def __init__(self) -> None:
        self.read = 0
        self.reused = 0
        self._missing = 0
        self._again = 0
        self._failures: list[Failure] = []

    def add(self, answer: Shown | Withheld, writer: SnapshotWriter) -> None:
        self._again += answer.lookups - 1
        match answer:
            case Shown():
                writer.append(answer.subject, answer.element, answer.observed_at)
                self.read += 1
                self._missing += "warning" in answer.element and "userAttributes" not in answer.element
            case Withheld(subject=subject, error=error):
                self._failures.append(Failure(subject, str(error), error.status))
                if len(self._failures) > MOST_FAILURES:
                    raise errors.RejectedError(
                        f"Leanplum refused to return more than {MOST_FAILURES} users. The last response was: "
                        f"{error} Run the same command again to continue.",
                        status=error.status,
                    )

    def report(self) -> PullReport:
        return PullReport(self.read, self.reused, self._missing, tuple(self._failures), self._again)


class _Known:
    """The subjects that don't need to be read, in a temporary database that spills to disk: there may be millions."""

    def __init__(self) -> None:
        self._rows = sqlite3.connect("", isolation_level=None)
        self._rows.execute("CREATE TABLE known (subject TEXT PRIMARY KEY) WITHOUT ROWID")

    def add_snapshot(self, path: Path, *, not_before: float) -> None:
        self._rows.execute("BEGIN")
        fresh = ((str(entry.subject),) for entry in read(path) if entry.observed_at >= not_before)
        self._rows.executemany("INSERT OR IGNORE INTO known VALUES (?)", fresh)
        self._rows.execute("COMMIT")

    def listed(self, subjects: Iterable[Subject]) -> Iterator[Subject]:
        """Keep *subjects*, and return each once, in their order."""
        self._rows.execute("CREATE TABLE listed (number INTEGER PRIMARY KEY, subject TEXT UNIQUE)")
        self._rows.execute("BEGIN")
        keys = ((str(subject),) for subject in subjects)
        self._rows.executemany("INSERT OR IGNORE INTO listed (subject) VALUES (?)", keys)
        self._rows.execute("COMMIT")
        rows = self._rows.execute("SELECT subject FROM listed ORDER BY number")
        return (Subject.parse(text) for (text,) in rows)

    def count_unknown(self) -> int:
        """Return how many of those listed have to be read."""
        query = "SELECT count(*) FROM listed WHERE subject NOT IN (SELECT subject FROM known)"
        return int(self._rows.execute(query).fetchone()[0])

    def unknown(self, subjects: Iterable[Subject], tally: _Tally, task: Task) -> Iterator[Subject]:
        self._rows.execute("CREATE TABLE asked (subject TEXT PRIMARY KEY) WITHOUT ROWID")
        for subject in subjects:
            key = (str(subject),)
            if not self._rows.execute("INSERT OR IGNORE INTO asked VALUES (?)", key).rowcount:
                continue
            if self._rows.execute("SELECT 1 FROM known WHERE subject = ?", key).fetchone():
                tally.reused += 1
                task.skip()
            else:
                yield subject

    def close(self) -> None:
        self._rows.close()


def _resumable(error: errors.ApiError, so_far: int) -> errors.LeanplumSyncError:
    users = "1 user is" if so_far == 1 else f"{so_far} users are"
    sentence = f"{error} {users} in the snapshot. Run the same command again to continue."
    if isinstance(error, errors.RateLimitedError):
        return errors.RateLimitedError(sentence, status=error.status, reason=error.reason)
    return type(error)(sentence)
