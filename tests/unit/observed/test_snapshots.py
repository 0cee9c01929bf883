"""Snapshots on disk: what was written comes back, and a torn end costs only itself."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import duckdb
import pytest
import zstandard

from leanplum_sync.address import Subject
from leanplum_sync.errors import SpecError
from leanplum_sync.observed import Entry, SnapshotWriter, read
from leanplum_sync.observed import snapshot_writer as writer_module

NAMES = ["s.ndjson", "s.ndjson.gz", "s.ndjson.zst"]
FOUND = {"success": True, "userId": "00004", "userAttributes": {"a": "b\n"}, "devices": [{"deviceId": "D9"}]}
MISSING = {"success": True, "warning": {"message": "User not found; request skipped."}}


@pytest.fixture(params=NAMES)
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return tmp_path / str(request.param)


def write(path: Path, users: range) -> None:
    with SnapshotWriter(path) as snapshot:
        for number in users:
            snapshot.append(
                Subject.user(f"u{number}"), {"success": True, "userAttributes": {}}, 1000.0 + number
            )


def users_in(path: Path) -> list[str]:
    return [entry.subject.id for entry in read(path)]


def test_entries_come_back_with_whom_was_asked_for_and_when(path: Path) -> None:
    with SnapshotWriter(path) as snapshot:
        snapshot.append(Subject.user("00004"), FOUND, 1000.5)
        snapshot.append(Subject.user("nobody"), MISSING, 1001.5)
        snapshot.append(Subject.device("D1"), FOUND, 1002.5)
    assert list(read(path)) == [
        Entry(Subject.user("00004"), FOUND, 1000.5),
        Entry(Subject.user("nobody"), {**MISSING, "userId": "nobody"}, 1001.5),
        Entry(Subject.device("D1"), FOUND, 1002.5),
    ]


def test_a_snapshot_can_be_added_to(path: Path) -> None:
    write(path, range(3))
    write(path, range(3, 5))
    assert users_in(path) == ["u0", "u1", "u2", "u3", "u4"]


def interrupted_at(step: int) -> Callable[[FrameType, str, Any], Any]:
    """Return a trace function that raises KeyboardInterrupt before the *step*-th line of ``SnapshotWriter.flush``."""
    left = iter(range(step))

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code is SnapshotWriter.flush.__code__ and event == "line" and next(left, None) is None:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    return trace


@pytest.mark.parametrize("step", range(10))
def test_an_interrupt_anywhere_in_a_write_loses_no_entry_and_writes_none_twice(step: int, path: Path) -> None:
    def write_both() -> None:
        with SnapshotWriter(path) as snapshot:
            snapshot.append(Subject.user("u1"), {"success": True}, 1000.0)
            sys.settrace(interrupted_at(step))
            snapshot.append(Subject.user("u2"), {"success": True}, 1001.0)
            snapshot.flush()
            raise KeyboardInterrupt  # it took fewer steps

    tracing = sys.gettrace()
    try:
        with pytest.raises(KeyboardInterrupt):
            write_both()
    finally:
        sys.settrace(tracing)
    assert users_in(path) == ["u1", "u2"]


def test_wherever_a_crash_cuts_the_file_what_is_whole_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "ENTRIES_PER_PIECE", 2)
    write(path, range(6))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        write(path, range(6, 7))
        kept = users_in(path)
        assert kept == [*(f"u{number}" for number in range(len(kept) - 1)), "u6"]
    assert len(kept) >= 5


def test_a_plain_file_loses_nothing_when_the_process_dies(tmp_path: Path) -> None:
    snapshot = SnapshotWriter(tmp_path / "s.ndjson")
    snapshot.append(Subject.user("u1"), {"success": True}, 1.0)
    assert users_in(tmp_path / "s.ndjson") == ["u1"]
    snapshot.close()


def test_files_of_other_tools_are_read_in_one_piece(path: Path) -> None:
    lines = b'{"success":true,"userId":"u1"}\n\n{"success":true,"userId":7}'
    packed = {".ndjson": lines, ".gz": gzip.compress(lines), ".zst": zstandard.compress(lines)}
    path.write_bytes(packed[path.suffix])
    entries = list(read(path))
    assert [entry.subject for entry in entries] == [Subject.user("u1"), Subject.user("7")]
    assert {entry.observed_at for entry in entries} == {path.stat().st_mtime}


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_damaged_file_is_a_problem_with_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, range(3))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SpecError) as caught:
        users_in(path)
    assert str(path) in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[]", "not a JSON object"),
        ('{"userId":"secret', "not a JSON object"),
        ('{"success":true}', "no userId or deviceId"),
        ('{"userId":""}', "no userId or deviceId"),
        ('{"userId":true}', "no userId or deviceId"),
        ('{"userId":"secret","observedAt":"then"}', "observedAt is not a time"),
    ],
)
def test_a_bad_line_is_a_problem_with_its_number_and_without_its_values(
    tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "s.ndjson"
    path.write_text('{"userId":"u1"}\n' + line)
    with pytest.raises(SpecError) as caught:
        users_in(path)
    problem = caught.value.problems[0]
    assert problem.place.line == 2
    assert words in str(problem)
    assert "secret" not in str(problem)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        users_in(tmp_path / "none.ndjson")


def test_parquet_snapshots_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    duckdb.sql(
        """
        COPY (SELECT * FROM (VALUES
            ('00004', NULL, 1000.5, '{"success":true,"userAttributes":{}}'),
            (NULL, 'D1', NULL, '{"success":true,"userId":"u1"}')
        ) AS t(userId, deviceId, observedAt, element)) TO '"""
        + str(path)
        + "' (FORMAT parquet)"
    )
    first, second = read(path)
    assert first == Entry(Subject.user("00004"), {"success": True, "userAttributes": {}}, 1000.5)
    assert (second.subject, second.observed_at) == (Subject.device("D1"), path.stat().st_mtime)


def test_a_file_that_only_calls_itself_parquet_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    path.write_text("userId\n")
    with pytest.raises(SpecError, match="1 problem"):
        list(read(path))
    with pytest.raises(SpecError):
        SnapshotWriter(path)


def test_a_bad_row_of_parquet_is_a_problem_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    duckdb.sql(
        "COPY (SELECT 'u' AS userId, NULL AS deviceId, 1.0 AS observedAt, unnest(['{}', 'secret', NULL]) AS element)"
        f" TO '{path}' (FORMAT parquet)"
    )
    with pytest.raises(SpecError) as caught:
        list(read(path))
    problem = caught.value.problems[0]
    assert (problem.place.row, "secret" in str(problem)) == (2, False)


def test_json_of_parquet_that_is_no_utf_8_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    duckdb.sql(
        """COPY (SELECT 'u' AS userId, NULL AS deviceId, 1.0 AS observedAt, '{"city": "needle"}'::JSON AS element)"""
        f" TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)"
    )
    path.write_bytes(path.read_bytes().replace(b"needle", b"nee\xf7le"))
    with pytest.raises(SpecError) as caught:
        list(read(path))
    assert "this is not a Parquet snapshot" in str(caught.value.problems[0])


def test_a_place_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError) as caught:
        SnapshotWriter(tmp_path / "file" / "s.ndjson")
    assert "can't be written" in str(caught.value.problems[0])


def test_a_full_disk_is_a_problem_and_what_was_whole_stays(tmp_path: Path) -> None:
    """The child process may not let a file grow beyond a few lines, as on a full disk."""
    path = tmp_path / "s.ndjson"
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from leanplum_sync.address import Subject\n"
        "from leanplum_sync.errors import SpecError\n"
        "from leanplum_sync.observed import SnapshotWriter\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "writer = SnapshotWriter(Path(sys.argv[1]))\n"
        "try:\n"
        "    for number in range(100):\n"
        "        writer.append(Subject.user(f'u{number}'), {'success': True}, 1.0)\n"
        "except SpecError as error:\n"
        "    print(error.problems[0].message)\n"
        "import os\n"
        "sys.stdout.flush()\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert "can't be written" in done.stdout
    write(path, range(200, 201))
    users = users_in(path)
    assert users == [*(f"u{number}" for number in range(len(users) - 1)), "u200"]
    assert len(users) > 5
