"""Whatever files of sessions contain, users with a session after their entry are not assumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from baselines import World

from leanplum_sync.baseline.merge import write_ids
from leanplum_sync.baseline.moved import oldest, without_moved
from leanplum_sync.errors import ExportFailedError
from leanplum_sync.staging.prints import Assumptions


@pytest.fixture
def assumptions(tmp_path: Path) -> Assumptions:
    world = World(tmp_path, {"a": "gold", "b": "gold", "c": "gold"})
    world.journal.begin().is_over = True
    world.learn(world.read(["a", "b", "c"]))
    world.clock.time += 100
    world.learn(world.read(["c"]))
    run = world.journal.begin()  # which the baseline doesn't include
    world.write(run, {"b": "silver"})
    return world.baseline.assume(world.journal, tmp_path)[1]


def everybody(folder: Path) -> Path:
    return write_ids(["a", "b", "c"], folder / "listed.ndjson")


def ids(path: Path | None) -> list[str]:
    assert path is not None
    return sorted(json.loads(line)["id"] for line in path.read_text().splitlines())


def sessions(folder: Path, *lines: Any) -> list[Path]:
    path = folder / "sessions"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return [path]


def test_users_with_a_session_that_ended_later_are_doubtful_too(
    assumptions: Assumptions, tmp_path: Path
) -> None:
    entry = oldest(assumptions, everybody(tmp_path))
    assert entry is not None
    files = sessions(
        tmp_path,
        {"userId": "a", "time": f"{entry - 10:E}", "duration": "20.0"},  # began before, and ended after
        {"userId": "c", "time": repr(entry + 50), "duration": 10},  # c was read later
        {"userId": "unknown", "time": repr(entry + 50)},
    )
    moved, count = without_moved(assumptions, everybody(tmp_path), files, tmp_path)
    assert (count, ids(moved.doubtful)) == (1, ["a", "b"])


def test_only_listed_users_count(assumptions: Assumptions, tmp_path: Path) -> None:
    first = oldest(assumptions, everybody(tmp_path))
    listed = write_ids(["c", "new"], tmp_path / "some.ndjson")
    later = oldest(assumptions, listed)
    assert first is not None
    assert later is not None
    assert later > first + 90
    files = sessions(tmp_path, *({"userId": user, "time": repr(later + 50)} for user in "ac"))
    moved, count = without_moved(assumptions, listed, files, tmp_path)
    assert (count, ids(moved.doubtful)) == (1, ["b", "c"])
    for known in ([], ["new"]):
        assert oldest(assumptions, write_ids(known, tmp_path / "some.ndjson")) is None


@pytest.mark.parametrize(
    "line", [{"userId": "a"}, {"userId": "a", "time": "soon"}, {"userId": "a", "time": None}]
)
def test_a_session_without_a_time_counts(line: Any, assumptions: Assumptions, tmp_path: Path) -> None:
    moved, count = without_moved(assumptions, everybody(tmp_path), sessions(tmp_path, line), tmp_path)
    assert (count, ids(moved.doubtful)) == (1, ["a", "b"])


def test_lines_that_are_cut_off_or_name_nobody_are_left_out(assumptions: Assumptions, tmp_path: Path) -> None:
    files = sessions(tmp_path, {"deviceId": "d"}, "[]", "7", "x", {"userId": "a"}, '{"userId": "c", "ti')
    moved, count = without_moved(assumptions, everybody(tmp_path), files, tmp_path)
    assert (count, ids(moved.doubtful)) == (1, ["a", "b"])


def test_no_files_change_nothing(assumptions: Assumptions, tmp_path: Path) -> None:
    assert without_moved(assumptions, everybody(tmp_path), [], tmp_path) == (assumptions, 0)


def test_an_error_shows_nothing_of_a_file(assumptions: Assumptions, tmp_path: Path) -> None:
    with pytest.raises(ExportFailedError) as raised:
        without_moved(assumptions, everybody(tmp_path), [tmp_path / "secret-name"], tmp_path)
    assert "secret" not in str(raised.value)
