"""Problems that are too many to show: counted, listed in a file, and not held in memory."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from leanplum_sync.errors import StorageError
from leanplum_sync.operations.problem_list import KEPT, ListingFile, ProblemList
from leanplum_sync.problem import SHOWN, Place, Problem


def problem(line: int) -> Problem:
    return Problem(
        Place("a.csv", line + 1, row=line),
        "no id",
        "Write one.",
        "UserAttributes/a",
        "secret",
        Place("a.yaml", 2),
    )


def filled(count: int, file: ListingFile | None) -> ProblemList:
    with ProblemList(file) as found:
        for line in range(1, count + 1):
            found.report(problem(line))
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "problems.ndjson"


def test_the_file_has_every_problem_and_where_it_is_but_no_line_of_a_source(path: Path) -> None:
    found = filled(SHOWN + 1, ListingFile(path))
    assert (found.total, found.listed) == (SHOWN + 1, path)
    assert [line["place"]["line"] for line in lines_of(path)] == list(range(2, SHOWN + 3))
    assert lines_of(path)[0] == {
        "place": {"file": "a.csv", "line": 2, "column": None, "row": 1},
        "resource": "UserAttributes/a",
        "message": "no id",
        "hint": "Write one.",
        "also": {"file": "a.yaml", "line": 2, "column": None, "row": None},
    }


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    filled(SHOWN + 1, ListingFile(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_as_many_as_are_shown_need_no_file_and_one_from_before_goes(path: Path) -> None:
    filled(SHOWN + 1, ListingFile(path))
    assert filled(SHOWN, ListingFile(path)).listed is None
    assert not path.exists()


def test_a_file_that_is_asked_for_is_written_however_few_problems_there_are(path: Path) -> None:
    assert filled(0, ListingFile(path, is_asked_for=True)).listed == path
    assert path.read_text() == ""


def test_the_first_in_reading_order_are_kept_whatever_comes_first_and_no_more_of_them() -> None:
    with ProblemList() as found:
        for line in reversed(range(1, 3 * KEPT)):
            found.report(problem(line))
    assert found.total == 3 * KEPT - 1
    assert [each.place.row for each in found.first()] == list(range(1, KEPT + 1))


def test_checking_goes_on_where_nothing_can_be_written_unless_the_file_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "problems.ndjson"
    found = filled(SHOWN + 1, ListingFile(path))
    assert (found.total, found.listed) == (SHOWN + 1, None)
    with pytest.raises(StorageError, match="the list of problems can't be written"):
        filled(1, ListingFile(path, is_asked_for=True))


def test_a_disk_that_fills_up_leaves_no_half_of_a_list(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    path.parent.mkdir()
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs a device that is always full")
    path.symlink_to(full)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    assert filled(3 * SHOWN, ListingFile(path)).listed is None
