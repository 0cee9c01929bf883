"""
The ledger: what each command cost, in billable lookups and in exportUsers jobs.

Its rows are not signed. Commands that only read need no key for the journal, so they could not sign; and nothing is ever
written to Leanplum because of a row of the ledger. An altered row can only make a report or a budget wrong.

No lock of a run is needed: each command writes rows of its own, under a random id, and quotas are counted in the transaction that
uses them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.journal.database import Database, is_address
from leanplum_sync.journal.entry import ExportState
from leanplum_sync.journal.rows import Row
from leanplum_sync.journal.schema import cost_table, export_job_table

# Source: API reference: successful jobs a day; files are deleted 24 hours after the export.
EXPORT_USERS: Final = "exportUsers"
JOBS_PER_DAY: Final = {EXPORT_USERS: 40, "exportData": 24, "exportReport": 100}
FILES_KEPT_SECONDS: Final = 86_400.0

_NOT_RECORDED: Final = "the command's cost was not recorded"
_NO_JOB: Final = "no export job was started"
_JOB_NOT_RECORDED: Final = "the export job's state was not recorded"
_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
_BAR: Final = "|"


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What one command cost on one *day* of UTC, such as ``2026-11-30``. Lookups are billable: unique users per HTTP request.

    *command_id* is random. *run* and *plan_digest* are None where they mean nothing, or were not known yet. Times are seconds since
    the epoch: when the command began, and when this was last written. A command that was killed has the row it wrote last.
    """

    command_id: str
    day: str
    app: str
    environment: str
    command: str
    began_at: float
    noted_at: float
    read_lookups: int = 0
    write_lookups: int = 0
    run: int | None = None
    plan_digest: str | None = None

    @property
    def lookups(self) -> int:
        return self.read_lookups + self.write_lookups


@dataclass(frozen=True, slots=True)
class ExportJob:
    """
    A job. *attribute* is the attribute that exportUsers exported. For another action, it is the action, a vertical bar, which no attribute's
    name has, and what was exported. *job_id* is the API's, None until its response came. Times are seconds since the epoch.

    *outcome* says how it ended, for people; it holds no values of users.
    """

    id: str
    app: str
    environment: str
    command: str
    attribute: str
    state: ExportState
    asked_at: float
    job_id: str | None = None
    ended_at: float | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Quota:
    """How many of the day's jobs of one action of an app are *used*, or may be, and when the count certainly starts again."""

    used: int
    most: int
    resets_at: float

    @property
    def left(self) -> int:
        return max(0, self.most - self.used)


class Ledger:
    """
    The ledger of one journal. Use ``open_ledger``.

    Every method raises ``JournalError`` if the journal can't be read or written.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def note(self, costs: Sequence[Cost]) -> None:
        """
        Record *costs*. Each replaces the row of its command and day, so a command may note its growing cost as often as it likes.

        It survives the process at once, and a power cut from the next durable write on.
        """
        rows = [
            {name: getattr(cost, name) for name in (column.key for column in cost_table.columns)}
            for cost in costs
        ]
        with self._database.writing(_NOT_RECORDED, durable_at_once=False, alone=False) as connection:
            self._database.replace(connection, cost_table, rows)

    def costs(
        self, *, since: str = "", until: str = "9999", environment: str | None = None
    ) -> Sequence[Cost]:
        """Return the costs of the days *since* to *until*, both included, by day and time. None: of all environments."""
        table = cost_table
        query = sa.select(table).where(table.c.day >= since, table.c.day <= until)
        if environment is not None:
            query = query.where(table.c.environment == environment)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.day, table.c.began_at, table.c.command_id)).all()
        return [Cost(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it

    def ask_for_job(
        self, app: str, environment: str, command: str, attribute: str, *, most: int | None = None
    ) -> ExportJob | None:
        """
        Record durably that a job is about to be asked for. Call it before the request, and then one of the methods below.

        Return None if *most* jobs of the day are used, by default as many as Leanplum documents: don't ask then. Two processes can't both take the last one.
        """
        with self._database.writing(_NO_JOB) as connection:
            now = self._now(connection)
            if self._quota(connection, app, _action_of(attribute), most, now).left == 0:
                return None
            job = ExportJob(
                self._clock.new_id(), app, environment, command, attribute, ExportState.ASKED, now
            )
            connection.execute(
                sa.insert(export_job_table).values(
                    **{column.key: getattr(job, column.key) for column in export_job_table.columns}
                )
            )
        return job

    def job_started(self, job: ExportJob, job_id: str) -> ExportJob:
        """Record the id in the API's response. From now on, the job can be resumed after a crash."""
        return self._change(replace(job, job_id=job_id, state=ExportState.RUNNING))

    def job_finished(self, job: ExportJob) -> ExportJob:
        """Record that the API has the job's files ready."""
        return self._change(replace(job, state=ExportState.FINISHED))

    def job_used(self, job: ExportJob, outcome: str = "") -> ExportJob:
        """Record that the job's files were downloaded and are durable elsewhere: it is not resumed again."""
        return self._end(job, ExportState.USED, outcome)

    def job_failed(self, job: ExportJob, outcome: str) -> ExportJob:
        """Record that the API gave the job up, or that its files are no good. A failed job doesn't count towards the quota."""
        return self._end(job, ExportState.FAILED, outcome)

    def job_refused(self, job: ExportJob, outcome: str) -> ExportJob:
        """Record that the API started no job: it refused the request, or the request never left."""
        return self._end(job, ExportState.REFUSED, outcome)

    def job_to_resume(self, app: str, attribute: str, *, asked_since: float = 0.0) -> ExportJob | None:
        """
        Return the latest job for *attribute* that was paid for and not used, so that another command can wait for it or
        download its files. Jobs asked for before *asked_since*, or whose files are deleted by now, are left out.
        """
        table = export_job_table
        states = [state.value for state in ExportState if state.can_be_resumed]
        now = self._clock.now() + self._database.ahead()
        query = (
            sa.select(table)
            .where(table.c.app == app, table.c.attribute == attribute)
            .where(table.c.state.in_(states), table.c.job_id.is_not(None))
            .where(table.c.asked_at >= max(asked_since, now - FILES_KEPT_SECONDS))
            .order_by(table.c.asked_at.desc(), table.c.id)
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _job(row)

    def jobs(self, *, since: float = 0.0, environment: str | None = None) -> Sequence[ExportJob]:
        """Return the jobs asked for *since* then, in this order. None: of all environments."""
        table = export_job_table
        query = sa.select(table).where(table.c.asked_at >= since)
        if environment is not None:
            query = query.where(table.c.environment == environment)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.asked_at, table.c.id)).all()
        return list(map(_job, rows))

    def quota(self, app: str, *, action: str = EXPORT_USERS, most: int | None = None) -> Quota:
        """Return how many of today's jobs of *action* are used in *app*, in any environment."""
        now = self._clock.now() + self._database.ahead()
        with self._database.reading() as connection:
            return self._quota(connection, app, action, most, now)

    def _quota(self, connection: sa.Connection, app: str, action: str, most: int | None, now: float) -> Quota:
        began, resets = quota_day(now)
        table = export_job_table
        of_users = ~table.c.attribute.contains(_BAR, autoescape=True)
        of_action = table.c.attribute.startswith(f"{action}{_BAR}", autoescape=True)
        counted = [state.value for state in ExportState if state.counts]
        query = (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.app == app, table.c.state.in_(counted), table.c.asked_at >= began)
            .where(of_users if action == EXPORT_USERS else of_action)
        )
        used = connection.scalar(query) or 0
        return Quota(used, JOBS_PER_DAY[action] if most is None else most, resets)

    def _now(self, connection: sa.Connection) -> float:
        return self._clock.now() + self._database.clock_ahead(connection)

    def _end(self, job: ExportJob, state: ExportState, outcome: str) -> ExportJob:
        now = self._clock.now() + self._database.ahead()
        return self._change(replace(job, state=state, ended_at=now, outcome=outcome))

    def _change(self, job: ExportJob) -> ExportJob:
        table = export_job_table
        values = {
            "job_id": job.job_id,
            "state": job.state.value,
            "ended_at": job.ended_at,
            "outcome": job.outcome,
        }
        with self._database.writing(_JOB_NOT_RECORDED) as connection:
            connection.execute(sa.update(table).where(table.c.id == job.id).values(values))
        return job


@contextmanager
def open_ledger(location: str | Path, clock: Clock | None = None) -> Iterator[Ledger]:
    """
    Open the ledger of the journal at *location*, and create the journal if there is none.

    An empty journal says no more about earlier sends than a missing one, so creating it here hides nothing: ``apply`` asks about
    both in the same words.

    Raises:
        JournalReplacedError: the journal is missing, older or another one, although the file beside it remembers one.
        JournalError: it can't be opened or created.
    """
    with closing(Database(location, keys=SealingKeys(), is_checked=False)) as database:
        yield Ledger(database, clock or SystemClock())


@contextmanager
def read_ledger(location: str | Path, clock: Clock | None = None) -> Iterator[Ledger | None]:
    """Open it read-only; None if there is no journal."""
    if not is_address(location) and not Path(location).exists():
        yield None
        return
    with closing(Database(location, read_only=True, keys=SealingKeys(), is_checked=False)) as database:
        yield None if database.is_empty else Ledger(database, clock or SystemClock())


def day_of(seconds: float) -> str:
    """Return the day of UTC, such as ``2026-11-30``."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()


def quota_day(now: float) -> tuple[float, float]:
    """
    Return since when jobs count towards the quota at *now*, and when it certainly starts again.

    The API reference says that it resets "12:00 am PST". That is 08:00 UTC, or 07:00 UTC if daylight saving time is meant. So jobs
    count from the earlier of the two moments that are over.
    """
    summer, winter = (_HOUR * hour + (now - _HOUR * hour) // _DAY * _DAY for hour in (7, 8))
    return min(summer, winter), winter + _DAY


def _action_of(attribute: str) -> str:
    action, bar, _ = attribute.partition(_BAR)
    return action if bar else EXPORT_USERS


def _job(row: Row) -> ExportJob:
    return ExportJob(**{**row._mapping, "state": ExportState(row.state)})  # noqa: SLF001 - as above
