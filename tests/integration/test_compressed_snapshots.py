"""Compressed snapshots go through the same sieve as plain ones, and what is wrong with one is told the same."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from files import csv_of_ids, ndjson, write_files
from tiers import TIERS

from leanplum_sync.address import Subject
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import SpecError
from leanplum_sync.observed import SnapshotWriter, read
from leanplum_sync.operations.check import check
from leanplum_sync.operations.observing import _stage_observed
from leanplum_sync.progress import SilentProgress
from leanplum_sync.specs import load
from leanplum_sync.staging import Staging

USERS = 2_000
CHANGED = {3, 700, 1_999}
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: test}
spec: {specs: [specs], environments: {sandbox: {emulator: embedded}}}
"""


def element(user: int) -> dict[str, object]:
    return {"success": True, "userAttributes": {"tier": "silver" if user in CHANGED else "gold"}}


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Staging]:
    users = csv_of_ids(f"u{user}" for user in range(USERS))
    write_files(tmp_path, {"leanplum-sync.yaml": PROJECT, "specs/tiers.yaml": TIERS, "users.csv": users})
    with Staging(tmp_path) as made:
        check(load(tmp_path / "leanplum-sync.yaml"), made, SilentProgress()).raise_if_any()
        yield made


@pytest.fixture(params=[".ndjson", ".ndjson.gz", ".ndjson.zst"])
def snapshot(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """What pull writes: of a compressed one, several pieces."""
    path = tmp_path / f"seen{request.param}"
    now = SystemClock().now()
    with SnapshotWriter(path) as writer:
        for user in range(USERS):
            writer.append(Subject.user(f"u{user}"), element(user), now)
    return path


def test_only_those_pass_who_differ_however_the_snapshot_is_compressed(
    staging: Staging, snapshot: Path
) -> None:
    _stage_observed(staging, snapshot, SilentProgress())
    assert {met.subject.id for met in staging.met()} == {f"u{user}" for user in CHANGED}
    assert staging.users.count_passed() == len(CHANGED)
    assert staging.count_unobserved() == 0
    assert not list(staging.folder.glob("lines*"))


def test_one_member_by_another_tool_is_taken_too(staging: Staging, tmp_path: Path) -> None:
    lines = ndjson(*({"userId": f"u{user}", **element(user)} for user in range(USERS)))
    path = tmp_path / "other.gz"
    path.write_bytes(gzip.compress(lines.encode()))
    _stage_observed(staging, path, SilentProgress())
    assert staging.users.count_passed() == len(CHANGED)


@pytest.mark.parametrize("suffix", [".ndjson.gz", ".ndjson.zst"])
def test_one_that_is_cut_off_is_told_of_by_its_line_as_by_reading_it(
    staging: Staging, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"torn{suffix}"
    with SnapshotWriter(path) as writer:
        for user in range(USERS):
            writer.append(Subject.user(f"u{user}"), element(user), 1.0)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SpecError) as by_reading:
        list(read(path))
    with pytest.raises(SpecError) as by_planning:
        _stage_observed(staging, path, SilentProgress())
    assert by_planning.value.problems == by_reading.value.problems
