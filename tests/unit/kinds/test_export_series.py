"""Which windows of an export are due, by the days of California, and which Leanplum still has."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.kinds.export_series import Every, ExportSeries, Window
from leanplum_sync.problem import Place

FIRST = dt.date(2026, 11, 1)
MOMENTS = st.integers(1_793_491_200, 1_793_491_200 + 200 * 86_400)  # from 2026-11-01 UTC on


def series(every: Every = "day", until: dt.date | None = None, delay: int = 1) -> ExportSeries:
    return ExportSeries("exportData", {}, every, FIRST, until, delay, "out", Place("s.yaml"))


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def names(found: ExportSeries, moment: str) -> list[str]:
    return [window.name for window in found.due(at(moment))]


def test_a_day_is_due_once_it_is_over_in_california_for_as_long_as_the_delay() -> None:
    assert names(series(), "2026-11-03T07:59:59+00:00") == []
    assert names(series(), "2026-11-03T08:00:00+00:00") == ["2026-11-01"]
    assert names(series(delay=0), "2026-11-02T08:00:00+00:00") == ["2026-11-01"]
    assert names(series(delay=0), "2026-11-02T07:59:59+00:00") == []


def test_weeks_begin_on_the_day_of_the_week_of_the_first() -> None:
    assert names(series("week", delay=0), "2026-11-15T08:00:00+00:00") == [
        "2026-11-01-to-2026-11-07",
        "2026-11-08-to-2026-11-14",
    ]
    assert names(series("week", delay=0), "2026-11-08T07:59:59+00:00") == []


def test_no_window_ends_after_the_last_day() -> None:
    until = dt.date(2026, 11, 10)
    assert len(names(series(until=until), "2027-02-01T00:00:00+00:00")) == 10
    assert names(series("week", until=until), "2027-02-01T00:00:00+00:00") == ["2026-11-01-to-2026-11-07"]


@given(MOMENTS, st.sampled_from(["day", "week"]), st.integers(0, 30))
def test_windows_follow_each_other_and_stay_due(now: int, every: Every, delay: int) -> None:
    due = list(series(every, delay=delay).due(now))
    assert all(b.first - a.last == dt.timedelta(days=1) for a, b in pairwise(due))
    assert due[:1] == [] or due[0].first == FIRST
    later = list(series(every, delay=delay).due(now + 86_400))
    assert later[: len(due)] == due


def test_windows_older_than_sixty_days_are_not_available() -> None:
    now = at("2026-12-30T20:00:00+00:00")
    assert Window(dt.date(2026, 11, 1), FIRST).is_available(now)
    assert not Window(dt.date(2026, 10, 31), FIRST).is_available(now)


def test_a_job_is_known_by_what_it_exports_and_not_by_who_asks() -> None:
    window = Window(FIRST, FIRST)
    other = ExportSeries("exportData", {}, "day", FIRST, None, 3, "elsewhere", Place("t.yaml"))
    report = ExportSeries(
        "exportReport", {"dataType": "UserActivity"}, "day", FIRST, None, 1, "out", Place("s.yaml")
    )
    assert series().key_of(window) == other.key_of(window) != report.key_of(window)
    assert report.key_of(window).startswith("exportReport|")
