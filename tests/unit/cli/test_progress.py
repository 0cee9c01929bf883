"""Progress: nothing for what is quick, a line now and then for what is not."""

from __future__ import annotations

from io import StringIO

import pytest
from clocks import Clock
from rich.progress import TaskID
from waiting import wait_for

from leanplum_sync.cli.output import progress
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.progress import BarProgress, LineProgress, amounts_that_fit, progress_line
from leanplum_sync.progress import SilentProgress


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


def test_steps_of_an_earlier_run_do_not_count_towards_the_rate() -> None:
    said: list[str] = []
    clock = Clock(0.0)
    with LineProgress(said.append, clock).track("Reading users", 10_000, "user") as task:
        task.skip(9_000)
        for _ in range(20):
            clock.sleep(1)
            task.advance()
    assert said[0] == "Reading users: 9,010 of 10,000 users, 1 a second, about 16 min 30 s left."


def bar_task(clock: Clock) -> progress._BarTask:
    bars = BarProgress(StringIO(), color=False, clock=clock)
    return progress._BarTask(bars, TaskID(0), clock, "user", clock.monotonic())


def test_a_bar_leaves_skipped_steps_out_of_its_rate() -> None:
    clock = Clock(0.0)
    terminal = StringIO()
    with BarProgress(terminal, color=False, clock=clock).track("Reading users", 10_000, "user") as task:
        task.skip(9_000)
        for _ in range(20):
            task.advance()
            clock.sleep(1)
        assert isinstance(task, progress._BarTask)
        assert task.rate() == 1


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (80, "12,000 of 100,000 users, 1,200 a second, 1 min 13 s left"),
        (49, "12,000 of 100,000 users, 1 min 13 s left"),
        (35, "12,000 of 100,000, 1 min 13 s left"),
        (20, "1 min 13 s left"),
    ],
)
def test_a_narrow_terminal_still_shows_the_time_left(columns: int, shown: str) -> None:
    clock = Clock(0.0)
    task = bar_task(clock)
    task.count(1_200)
    clock.sleep(1)
    assert amounts_that_fit(task, 12_000, 100_000, columns) == shown


def test_work_whose_steps_are_all_done_has_no_time_left() -> None:
    clock = Clock(0.0)
    task = bar_task(clock)
    task.count(100)
    clock.sleep(10)
    assert amounts_that_fit(task, 100, 100, 80) == "100 of 100 users, 10 a second"


def test_a_single_step_shows_no_share() -> None:
    clock = Clock(0.0)
    terminal = StringIO()
    with BarProgress(terminal, color=False, clock=clock).track("Rendering", 1, "document") as task:
        clock.sleep(2)
        task.advance()
    assert "Rendering" in terminal.getvalue()
    assert "0 of 1" not in terminal.getvalue()


def test_work_of_unknown_length_has_no_time_left() -> None:
    assert progress_line("Checking", "row", 3000, None, 1500) == "Checking: 3,000 rows, 1,500 a second."


def test_work_that_is_done_has_no_time_left() -> None:
    assert progress_line("Checking", "row", 9, 9, 3) == "Checking: 9 of 9 rows, 3 a second."


def test_a_bar_appears_after_a_second_and_not_before() -> None:
    terminal = StringIO()
    clock = Clock(0.0)
    with BarProgress(terminal, color=False, clock=clock).track("Reading users", 100, "user") as task:
        task.advance(10)
        assert terminal.getvalue() == ""
        clock.sleep(2)
        task.advance(10)
    assert "Reading users" in terminal.getvalue()


def test_a_bar_appears_for_work_that_takes_long_without_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.01)
    terminal = StringIO()
    with BarProgress(terminal, color=False).track("Matching users", 100, "user"):
        wait_for(lambda: "Matching users" in terminal.getvalue())


def test_tasks_inside_one_another_share_the_display() -> None:
    terminal = StringIO()
    clock = Clock(0.0)
    bars = BarProgress(terminal, color=False, clock=clock)
    with bars.track("Applying", 2, "batch") as outer, bars.track("Reading users", 2, "user") as inner:
        clock.sleep(2)
        inner.advance()
        outer.advance()
    assert "Applying" in terminal.getvalue()
    assert "Reading users" in terminal.getvalue()


@pytest.mark.parametrize("options", [{"quiet": True}, {"no_progress": True}])
def test_progress_can_be_switched_off(options: dict[str, bool]) -> None:
    assert isinstance(Console().progress(), LineProgress)
    assert isinstance(Console(**options).progress(), SilentProgress)
