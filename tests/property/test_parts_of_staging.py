"""What a plan for one part leaves out in the database is what the shard of each subject says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from searching import examples

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.row import Row
from leanplum_sync.operations.check import check
from leanplum_sync.planner.parts import Part
from leanplum_sync.problem import Place
from leanplum_sync.progress import SilentProgress
from leanplum_sync.specs import Loaded, load
from leanplum_sync.staging import Staging

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
subjects = st.one_of(ids.map(Subject.user), ids.map(Subject.device))


@settings(max_examples=examples(10))
@given(st.sets(subjects, max_size=30), st.integers(1, 5), st.data())
def test_each_part_keeps_its_own_subjects(found: set[Subject], of: int, data: st.DataObject) -> None:
    part = Part(data.draw(st.integers(1, of)), of)
    with Staging() as staging:
        for number, subject in enumerate(sorted(found), 1):
            staging.add(0, subject, Row(number, Place("a.csv", row=number), {}))
        staging.close_rows()
        staging.keep(part)
        kept = sorted(subject for subject in found if part.holds(subject))
        assert sorted(staging.subjects()) == kept
        assert staging.count_subjects() == len(kept)


def specs_about(users: Iterable[str], folder: Path) -> Loaded:
    (folder / "specs").mkdir()
    (folder / "leanplum-sync.yaml").write_text(
        "apiVersion: leanplum-sync/v1\nkind: Project\nmetadata: {name: a}\n"
        "spec: {environments: {sandbox: {emulator: embedded}}, defaultEnvironment: sandbox}\n"
    )
    (folder / "specs" / "a.yaml").write_text(
        "apiVersion: leanplum-sync/v1\nkind: UserAttributes\nmetadata: {name: a}\n"
        "spec: {users: {file: ../users.csv, id: id}, attributes: {tier: {column: tier}}}\n"
    )
    (folder / "users.csv").write_text("id,tier\n" + "".join(f"{user},gold\n" for user in users))
    return load(folder / "leanplum-sync.yaml")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_file_that_is_loaded_as_a_whole_is_cut_down_too(number: int, tmp_path: Path) -> None:
    users = [Subject.user(f"u{index}") for index in range(300)]
    part = Part(number, 3)
    with Staging() as staging:
        check(specs_about((user.id for user in users), tmp_path), staging, SilentProgress()).raise_if_any()
        staging.keep(part)
        assert list(staging.subjects()) == sorted(user for user in users if part.holds(user))


def test_rows_keep_their_numbers_whatever_was_taken_out_and_whenever_the_database_tidies_its_file(
    tmp_path: Path,
) -> None:
    """DuckDB closes gaps when it thinks fit; here it is asked to. It does where groups of rows become small."""
    rows, part = 400_000, Part(1, 2)
    (resource,) = specs_about((f"u{row}" for row in range(1, rows + 1)), tmp_path).resources
    bad = [row for row in range(1, rows + 1) if row % 4]
    with Staging() as staging:
        assert staging.load(0, resource, tmp_path) == rows
        staging.drop(0, (Row(row, Place("users.csv", row + 1, row=row), {}) for row in bad))
        staging._database.run("CHECKPOINT")
        staging.close_rows()
        assert staging.count_subjects() == rows - len(bad)
        staging.keep(part)
        staging._database.run("CHECKPOINT")
        staging.users.close()
        seen = [(met.subject, row.row.number) for met in staging.met() for row in met.rows]
    kept = [row for row in range(4, rows + 1, 4) if part.holds(Subject.user(f"u{row}"))]
    assert sorted(seen) == sorted((Subject.user(f"u{row}"), row) for row in kept)
