"""Plans that read users who were active since the baseline last saw them, by an export of sessions, against the emulator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests
from clocks import Clock
from nightly import Nightly, changes_of, nightly, row, variables

from leanplum_sync import emulator
from leanplum_sync.client.api.jobs import ExportResult, JobState
from leanplum_sync.errors import ExportFailedError, NoAnswerError, UsageError
from leanplum_sync.operations.sessions import export_sessions
from leanplum_sync.planfile import open_plan
from leanplum_sync.progress import SilentProgress
from leanplum_sync.project.model import Observe

Served: TypeAlias = Callable[..., Nightly]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with ExitStack() as stack:

        def serve(users: int, **switches: Any) -> Nightly:
            rows = {f"u{number:06}": row(number) for number in range(users)}
            world = stack.enter_context(nightly(tmp_path, rows, switches=emulator.Switches(**switches)))
            for name, value in variables(world.url).items():
                monkeypatch.setenv(name, value)
            return world

        yield serve


def use(world: Nightly, user: str, attributes: dict[str, Any]) -> None:
    """Let *user* use the app, in a session that changes *attributes*."""
    for action, more in (("start", {"userAttributes": attributes}), ("stop", {})):
        body = {
            "appId": emulator.APP_ID,
            "clientKey": emulator.KEYS["production"],
            "apiVersion": "1.0.6",
            "action": action,
            "userId": user,
            **more,
        }
        answer = requests.post(f"{world.url}/api", json=body, timeout=300).json()
        assert answer["response"][0]["success"], answer


def remarks_of(path: Path) -> list[str]:
    with open_plan(path) as plan:
        return [note.sentence for note in plan.notes() if note.code == "remark"]


def test_users_with_a_session_since_they_were_read_are_read_and_others_are_assumed(served: Served) -> None:
    world = served(5)
    use(world, "u000004", {})
    world.plan()
    use(world, "u000001", {"tier": "bronze"})
    use(world, "u000002", {})
    world.set_by_others("u000003", {"tier": "bronze"})  # without a session
    before = world.lookups()
    made = world.plan(moved_since="export")
    assert world.lookups() - before == made.summary.cost.reads == 2
    assert made.summary.assumed == 3
    assert [(each.subject.id, each.before, each.after) for each in changes_of(made)] == [
        ("u000001", "bronze", "gold")
    ]
    (sentence,) = remarks_of(made.path)
    assert sentence.startswith(
        "2 users of the baseline may have changed, because they had a session after they were last read or written"
    )
    before = world.lookups()
    assert world.plan(moved_since="export").summary.assumed == 4
    assert world.lookups() - before == 1, "who was read and has no later session is assumed again"


@pytest.mark.parametrize("answer", ["job", "not_found"])
def test_without_any_session_nobody_more_is_read(answer: str, served: Served) -> None:
    world = served(3, empty_export=answer)
    world.plan()
    made = world.plan(moved_since="export")
    assert (made.summary.assumed, made.summary.cost.reads) == (3, 0)
    assert remarks_of(made.path)[0].startswith("no user of the baseline had a session")


def test_without_a_baseline_no_sessions_are_exported(served: Served) -> None:
    world = served(3)
    world.plan(moved_since="export")
    actions = requests.get(f"{world.url}/_emulator/counts", timeout=300).json()["actions"]
    assert "exportData" not in actions


@pytest.mark.parametrize("observe", [Observe.LIVE, Observe.EXPORT])
def test_sessions_are_only_exported_for_a_baseline(observe: Observe, served: Served) -> None:
    with pytest.raises(UsageError, match="--observed journal"):
        served(1).plan(observe, moved_since="export")


class Told:
    """A job whose state is each of *states* in turn."""

    def __init__(self, *states: JobState) -> None:
        self.states = list(states)
        self.days: list[tuple[str, str]] = []

    def start_sessions(self, first_day: str, last_day: str) -> str:
        self.days.append((first_day, last_day))
        return "job"

    def result(self, job_id: str) -> ExportResult:
        return ExportResult(self.states.pop(0), ("https://x/1",), None, None, (), None, {})

    def download(self, url: str, into: Path) -> None:
        into.write_text(json.dumps({"userId": "a"}))


def export(told: Told, since: float, clock: Clock, folder: Path) -> int:
    found = export_sessions(told, since, folder, clock=clock, progress=SilentProgress(), wait_seconds=100)
    return len(found.files)


def test_a_job_is_waited_for_and_its_days_are_those_of_california(tmp_path: Path) -> None:
    clock = Clock(1_796_060_000.0)  # 2026-11-30, 17:33 UTC
    told = Told(JobState.PENDING, JobState.RUNNING, JobState.FINISHED)
    assert export(told, clock.time - 86_400.0 * 1.5, clock, tmp_path) == 1
    assert told.days == [("20261128", "20261130")]
    export(long_ago := Told(JobState.FINISHED), 0.0, clock, tmp_path)
    assert long_ago.days == [("20261002", "20261130")]


def test_a_job_that_fails_or_does_not_end_makes_no_plan(tmp_path: Path) -> None:
    clock = Clock(time.time())
    with pytest.raises(ExportFailedError, match="Plan without --moved-since"):
        export(Told(JobState.FAILED), clock.time, clock, tmp_path)
    with pytest.raises(NoAnswerError, match="still running"):
        export(Told(*[JobState.RUNNING] * 9), clock.time, clock, tmp_path)
