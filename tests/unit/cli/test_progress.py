"""Progress: nothing for what is quick, a line now and then for what is not."""

from __future__ import annotations

import time
from io import StringIO

import pytest
from clocks import Clock

from leanplum_sync.cli.output import progress
from leanplum_sync.cli.output.progress import BarProgress, LineProgress, progress_line


def test_quick_work_says_nothing() -> None:
    said: list[str] = []
    clock = Clock(0.0)
    with LineProgress(said.append, clock).track("Reading users", 10, "user") as task:
        clock.sleep(0.9)
        task.advance(10)
    assert said == []


def test_long_work_says_a_line_every_ten_seconds_and_one_at_its_end() -> None:
    said: list[str] = []
    clock = Clock(0.0)
    with LineProgress(said.append, clock).track("Reading users", 100, "user") as task:
        for _ in range(25):
            clock.sleep(1)
            task.advance()
    assert said == [
        "Reading users: 10 of 100 users, 1 a second, about 1 min 30 s left.",
        "Reading users: 20 of 100 users, 1 a second, about 1 min 20 s left.",
        "Reading users: 25 users in 25 s.",
    ]


def test_time_left_is_told_by_the_rate_of_late_so_that_what_was_there_before_does_not_count() -> None:
    said: list[str] = []
    clock = Clock(0.0)
    with LineProgress(said.append, clock).track("Reading users", 10_000, "user") as task:
        task.advance(9_000)
        for _ in range(20):
            clock.sleep(1)
            task.advance()
    assert said[1] == "Reading users: 9,020 of 10,000 users, 1 a second, about 16 min 20 s left."


def test_work_of_unknown_length_has_no_time_left() -> None:
    assert progress_line("Checking", "row", 3000, None, 1500) == "Checking: 3,000 rows, 1,500 a second."


def test_a_bar_appears_after_a_second_and_not_before() -> None:
    terminal = StringIO()
    clock = Clock(0.0)
    with BarProgress(terminal, colour=False, clock=clock).track("Reading users", 100, "user") as task:
        task.advance(10)
        assert terminal.getvalue() == ""
        clock.sleep(2)
        task.advance(10)
    assert "Reading users" in terminal.getvalue()


def test_a_bar_appears_for_work_that_takes_long_without_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.01)
    terminal = StringIO()
    with BarProgress(terminal, colour=False).track("Matching users", 100, "user"):
        deadline = time.monotonic() + 10
        while "Matching users" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "Matching users" in terminal.getvalue()


def test_tasks_inside_one_another_share_the_display() -> None:
    terminal = StringIO()
    clock = Clock(0.0)
    bars = BarProgress(terminal, colour=False, clock=clock)
    with bars.track("Applying", 2, "batch") as outer, bars.track("Reading users", 2, "user") as inner:
        clock.sleep(2)
        inner.advance()
        outer.advance()
    assert "Applying" in terminal.getvalue()
    assert "Reading users" in terminal.getvalue()
