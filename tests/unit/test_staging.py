"""Staging where there is little memory: it says so in one sentence, and takes no more threads than it can feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.bounds import CELL
from leanplum_sync.errors import LeanplumSyncError
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.problem import Place
from leanplum_sync.staging import LEAST_MEMORY_MB, MEMORY_LIMIT_MB, Staging
from leanplum_sync.staging.csv_table import shape_of
from leanplum_sync.staging.database import threads_for

TOO_LITTLE_MB = 5


def test_too_little_memory_is_told_in_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    with Staging(tmp_path, TOO_LITTLE_MB) as staging:
        staging.add(0, Subject.user("u1"), Row(1, Place("a.csv", 2, row=1), {"id": "u1"}))
        with pytest.raises(LeanplumSyncError, match="allow more memory with --memory") as caught:
            staging.close_rows()
    assert "\n" not in str(caught.value)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(LeanplumSyncError, match=r"compared: \S*/state: File exists\. Nothing was changed"):
        Staging(tmp_path / "state")


def test_what_goes_wrong_while_rows_stream_by_is_told_too(tmp_path: Path) -> None:
    with Staging(tmp_path) as staging:
        staging.close_rows()
        subjects = staging.subjects()
        (lost := tmp_path / "lost.csv").write_text("a\n1\n")
        staging._database.run("ALTER VIEW asked RENAME TO whole")
        staging._database.run(f"CREATE VIEW asked AS SELECT whole.* FROM whole, read_csv('{lost}')")
        lost.unlink()
        with pytest.raises(LeanplumSyncError, match="Rows and users can't be stored"):
            list(subjects)
        with pytest.raises(LeanplumSyncError, match="Rows and users can't be stored"):
            staging.count_rows()


@pytest.mark.parametrize(
    ("memory", "only_rows", "threads"),
    [
        (LEAST_MEMORY_MB, False, 1),
        (LEAST_MEMORY_MB, True, 2),
        (MEMORY_LIMIT_MB, False, 2),
        (4096, False, 8),
        (4096, True, 8),
    ],
)
def test_each_thread_has_the_memory_it_needs(memory: int, only_rows: bool, threads: int) -> None:
    assert threads_for(memory, 8, only_rows=only_rows) == threads


def test_the_last_line_about_a_user_counts_wherever_blank_lines_are(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot.ndjson"
    lines = ["", answer("other", 0), answer("u1", 1), "", answer("u1", 2), answer("another", 0)]
    snapshot.write_text("\n".join(lines) + "\n")
    with Staging(tmp_path) as staging:
        staging.add(0, Subject.user("u1"), Row(1, Place("a.csv", 2, row=1), {"id": "u1"}))
        staging.close_rows()
        assert staging.users.sift(snapshot, 0.0)
        (met,) = staging.met()
    assert met.element is not None
    assert met.element["totalSessions"] == 2


@pytest.mark.parametrize(("users", "lines_each"), [(1, 3), (60_000, 3)])
def test_the_last_line_about_a_user_counts_however_many_lines_there_are(
    users: int, lines_each: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one user at the limit of what is picked by numbers; with many, past the 122,880 rows that DuckDB keeps together."""
    if users == 1:
        monkeypatch.setattr("leanplum_sync.staging.observing._MOST_PICKED", 1)
    names = [f"u{number}" for number in range(users)]
    snapshot = tmp_path / "snapshot.ndjson"
    lines = (answer(name, sessions) for sessions in range(lines_each) for name in names)
    snapshot.write_text("\n".join(lines) + "\n")
    with Staging(tmp_path) as staging:
        for number, name in enumerate(names, start=1):
            staging.add(
                0, Subject.user(name), Row(number, Place("a.csv", number + 1, row=number), {"id": name})
            )
        staging.close_rows()
        assert staging.users.sift(snapshot, 0.0)
        sessions = [met.element and met.element["totalSessions"] for met in staging.met()]
    assert sessions == [lines_each - 1] * users


def answer(user: str, sessions: int) -> str:
    values = '"success":true,"devices":[],"userAttributes":{"tier":"gold"},"observedAt":1795000000.0'
    return f'{{"userId":"{user}","totalSessions":{sessions},{values}}}'


@pytest.mark.parametrize("before", [0, 1, 65_535, 200_000, (1 << 20) - 30])
def test_a_csv_file_with_a_text_over_the_limit_is_read_row_by_row(before: int, tmp_path: Path) -> None:
    """Wherever it is in the file: a table would take it in without a word."""
    rows = b"id,n\n" + b"u,1\n" * (before // 4)
    (tmp_path / "a.csv").write_bytes(rows + b"v," + b"x" * (CELL.most + 1) + b"\n" + b"w,1\n" * 9)
    assert shape_of(tmp_path / "a.csv", ",") is None
    (tmp_path / "a.csv").write_bytes(rows + b"v,2\n")
    assert shape_of(tmp_path / "a.csv", ",") is not None
