"""The ledger: what commands cost, and the export jobs of the day."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from clocks import Clock
from journals import Location, begin

from leanplum_sync.errors import JournalReplacedError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.copying import copy_journal
from leanplum_sync.journal.entry import ExportState
from leanplum_sync.journal.ledger import Cost, Ledger, day_of, open_ledger, quota_day, read_ledger

HOUR = 3600.0
DAY = 24 * HOUR
MIDNIGHT = 1_800_000_000 // 86_400 * DAY  # of UTC
COST = Cost("c1", "2026-11-30", "app", "sandbox", "pull", 100.0, 101.0, read_lookups=5)


@pytest.fixture
def ledger(journal_location: Location, clock: Clock) -> Iterator[Ledger]:
    with open_ledger(journal_location, clock) as found:
        yield found


def test_a_growing_cost_has_one_row_a_day(ledger: Ledger) -> None:
    ledger.note([COST])
    grown = replace(COST, read_lookups=7, write_lookups=2, run=3, plan_digest="d")
    next_day = replace(COST, day="2026-12-01", read_lookups=1)
    ledger.note([grown, next_day])
    assert ledger.costs() == [grown, next_day]
    assert grown.lookups == 9


def test_costs_are_found_by_day_and_environment(ledger: Ledger) -> None:
    other = replace(COST, command_id="c2", environment="production", day="2026-11-29")
    ledger.note([COST, other])
    assert ledger.costs() == [other, COST]
    assert ledger.costs(since="2026-11-30") == [COST]
    assert ledger.costs(until="2026-11-29") == [other]
    assert ledger.costs(environment="production") == [other]


def test_jobs_are_found_by_time_and_environment(ledger: Ledger, clock: Clock) -> None:
    first = ledger.ask_for_job("app", "sandbox", "plan", "tier")
    clock.sleep(60)
    since = clock.now() - 30
    second = ledger.ask_for_job("app", "production", "pull", "vip")
    assert ledger.jobs() == [first, second]
    assert ledger.jobs(environment="sandbox") == [first]
    assert ledger.jobs(environment="staging") == []
    assert ledger.jobs(since=since) == [second]
    assert ledger.jobs(since=since, environment="sandbox") == []


def test_a_job_that_was_paid_is_resumed_until_it_is_used(ledger: Ledger, clock: Clock) -> None:
    job = ledger.ask_for_job("app", "sandbox", "plan", "tier")
    assert job is not None
    assert ledger.job_to_resume("app", "tier") is None, "its id is not known, so nobody can ask for it"
    job = ledger.job_started(job, "export_users_1_2")
    assert ledger.job_to_resume("app", "tier") == job
    assert ledger.job_to_resume("app", "vip") is None
    assert ledger.job_to_resume("other", "tier") is None
    assert ledger.job_to_resume("app", "tier", asked_since=clock.now() + 1) is None
    job = ledger.job_finished(job)
    assert ledger.job_to_resume("app", "tier") == job
    used = ledger.job_used(job, "3 users")
    assert used.ended_at == pytest.approx(clock.now(), abs=60)
    assert used.outcome == "3 users"
    assert ledger.job_to_resume("app", "tier") is None
    assert ledger.jobs() == [used]


def test_a_job_is_not_resumed_when_its_files_are_deleted(ledger: Ledger, clock: Clock) -> None:
    job = ledger.ask_for_job("app", "sandbox", "plan", "tier")
    assert job is not None
    ledger.job_started(job, "export_users_1_2")
    clock.sleep(DAY - 60)
    assert ledger.job_to_resume("app", "tier") is not None
    clock.sleep(120)
    assert ledger.job_to_resume("app", "tier") is None


def test_the_latest_of_two_jobs_is_resumed(ledger: Ledger, clock: Clock) -> None:
    for number in (1, 2):
        job = ledger.ask_for_job("app", "sandbox", "plan", "tier")
        assert job is not None
        ledger.job_started(job, f"export_users_1_{number}")
        clock.sleep(1)
    found = ledger.job_to_resume("app", "tier")
    assert found is not None
    assert found.job_id == "export_users_1_2"


def test_no_more_jobs_are_asked_for_than_the_quota_has(ledger: Ledger, clock: Clock) -> None:
    clock.sleep(MIDNIGHT + 12 * HOUR - clock.now())
    jobs = [ledger.ask_for_job("app", "sandbox", "plan", "tier", most=3) for _ in range(3)]
    assert ledger.ask_for_job("app", "production", "pull", "vip", most=3) is None
    assert ledger.ask_for_job("other", "sandbox", "plan", "tier", most=3) is not None
    failed, refused, finished = (job for job in jobs if job is not None)
    ledger.job_failed(failed, "no file")
    ledger.job_refused(refused, "HTTP 403")
    ledger.job_used(ledger.job_finished(ledger.job_started(finished, "j")))
    quota = ledger.quota("app", most=3)
    assert (quota.used, quota.left, quota.resets_at) == (1, 2, MIDNIGHT + DAY + 8 * HOUR)
    clock.sleep(DAY)
    assert ledger.quota("app", most=3).used == 0


@pytest.mark.parametrize(
    ("hour", "began", "resets"),
    [(6.9, -17, 8), (7, -16, 8), (7.9, -16, 8), (8, 7, 32), (12, 7, 32)],
)
def test_a_day_of_the_quota_begins_at_the_earlier_of_the_two_hours_it_may_mean(
    hour: float, began: int, resets: int
) -> None:
    found = quota_day(MIDNIGHT + hour * HOUR)
    assert found == (MIDNIGHT + began * HOUR, MIDNIGHT + resets * HOUR)


def test_each_state_counts_until_the_api_is_known_to_have_started_no_job() -> None:
    assert {state for state in ExportState if not state.counts} == {ExportState.FAILED, ExportState.REFUSED}


def test_a_ledger_is_read_where_there_is_a_journal(journal_location: Location) -> None:
    with read_ledger(journal_location) as nothing:
        assert nothing is None
    with open_ledger(journal_location) as ledger:
        ledger.note([COST])
    with read_ledger(journal_location) as found:
        assert found is not None
        assert found.costs() == [COST]


def test_a_journal_that_the_ledger_created_is_as_new_as_none(journal_location: Location) -> None:
    with open_ledger(journal_location) as ledger:
        ledger.note([COST])
    with read_journal(journal_location) as journal:
        assert journal.here("app").is_new
    with open_journal(journal_location) as journal, journal.acquire("app", "sandbox") as lease:
        assert begin(journal, lease).number == 1


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_lost_journal_is_not_created_again_for_its_ledger(journal_location: Path) -> None:
    with open_journal(journal_location) as journal, journal.acquire("app", "sandbox") as lease:
        begin(journal, lease)
    for path in journal_location.parent.glob(f"{journal_location.name}*"):
        if path.suffix != ".mark":
            path.unlink()
    with pytest.raises(JournalReplacedError), open_ledger(journal_location):
        pass
    assert not journal_location.exists()


@pytest.mark.parametrize("backend", ["sqlite"])
def test_an_older_journal_gets_a_ledger(journal_location: Path) -> None:
    with open_journal(journal_location):
        pass
    with closing(sqlite3.connect(journal_location)) as connection, connection:
        connection.execute("DROP TABLE cost")
        connection.execute("DROP TABLE export_job")
        connection.execute("UPDATE journal_version SET version = 11")
    with open_ledger(journal_location) as ledger:
        ledger.note([COST])
        assert ledger.costs() == [COST]


@pytest.mark.parametrize("backend", ["sqlite"])
def test_a_journal_is_copied_to_where_costs_were_recorded_already(journal_location: Path) -> None:
    target = journal_location.with_name("new.db")
    here, there = COST, replace(COST, command_id="c2")
    for path, cost in ((journal_location, here), (target, there)):
        with open_ledger(path) as ledger:
            ledger.note([cost])
    assert copy_journal(journal_location, target)["cost"] == 1
    with open_ledger(target) as ledger:
        assert ledger.costs() == [here, there]


def test_days_are_of_utc() -> None:
    assert (day_of(MIDNIGHT - 1), day_of(MIDNIGHT)) == ("2027-01-14", "2027-01-15")
