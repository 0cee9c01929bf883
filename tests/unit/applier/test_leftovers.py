"""Rows of what did not succeed, as sources for a next run."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pytest

from leanplum_sync.address import Subject
from leanplum_sync.applier.leftovers import write_leftovers
from leanplum_sync.kinds import Resource
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.plan import Input
from leanplum_sync.problem import Place
from leanplum_sync.sources import file_digest, rows
from leanplum_sync.specs import load

PROJECT = """apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec: {specs: [specs], environments: {sandbox: {emulator: embedded}}}
"""
SPEC = """apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: {name}}
spec:
  users: {users}
  attributes: {note: {column: note}}
"""
EXACT = '{"id": "u1", "note": "x", "price": 12.50, "iccid": 89012345678901234567, "list": [1e5, 0.1], "none": null, "deep": {"a": -0}}\n'
CSV = 'id,note\nu1,"one, two"\nu2,"a ""quote"", and\na line"\nu3,ä\n'
NDJSON = '{"id": "u1", "note": "one"}\n{"id": "u2", "note": 2}\n{"id": "u3", "note": null}\n'


class Plan:
    """Every row of every resource asked for one change."""

    def __init__(self, resources: Sequence[Resource], root: Path) -> None:
        self._changes: dict[Subject, tuple[Change, ...]] = {}
        read = {
            name
            for each in resources
            for name in (each.place.file, getattr(each.source, "path", None))
            if name
        }
        self._inputs = tuple(Input(name, file_digest(root / name)) for name in sorted(read))
        for resource in resources:
            for row in rows(resource.source, root, lambda _: None):
                subject = Subject.user(str(row.values["id"]))
                change = Change(
                    subject, str(resource.address), ChangeKind.SET, "note", None, 1, Place("a"), row.place
                )
                self._changes[subject] = (*self._changes.get(subject, ()), change)

    def inputs(self) -> Sequence[Input]:
        return self._inputs

    def changes_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Change, ...]]:
        return {subject: self._changes[subject] for subject in subjects if subject in self._changes}


def project(root: Path, sources: Mapping[str, str]) -> tuple[Resource, ...]:
    (root / "leanplum-sync.yaml").write_text(PROJECT)
    (root / "specs").mkdir()
    (root / "a.csv").write_text(CSV)
    (root / "a.ndjson").write_text(NDJSON)
    for name, users in sources.items():
        text = SPEC.replace("{name: {name}}", f"{{name: {name}}}").replace("{users}", users)
        (root / "specs" / f"{name}.yaml").write_text(text)
    loaded = load(root / "leanplum-sync.yaml")
    assert loaded.problems == ()
    return loaded.resources


SOURCES = {
    "csv": "{file: ../a.csv, id: id}",
    "ndjson": "{file: ../a.ndjson, id: id}",
    "inline": "{inline: [{id: u1, note: one}, {id: u2, note: 2}], id: id}",
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_file_reads_back_as_the_very_rows(name: str, tmp_path: Path) -> None:
    resources = project(tmp_path, {name: SOURCES[name]})
    plan = Plan(resources, tmp_path)
    before = [row.values for row in rows(resources[0].source, tmp_path, lambda _: None)]
    left = write_leftovers(plan, [Subject.user("u2")], resources, tmp_path, tmp_path / "run-3.rejected")
    (path,) = left.files
    assert path.stem == f"run-3.rejected.UserAttributes-{name}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / f"rows{path.suffix}").write_bytes(path.read_bytes())
    again = project(tmp_path / "again", {name: f"{{file: ../rows{path.suffix}, id: id}}"})
    after = [row.values for row in rows(again[0].source, tmp_path / "again", lambda _: None)]
    assert after == [values for values in before if values["id"] == "u2"]


def test_all_rows_that_speak_of_a_subject_are_written_and_no_others(tmp_path: Path) -> None:
    resources = project(tmp_path, SOURCES)
    plan = Plan(resources, tmp_path)
    subjects = [Subject.user("u3"), Subject.user("nobody")]
    files = write_leftovers(plan, subjects, resources, tmp_path, tmp_path / "run-1.held").files
    assert [file.name for file in files] == [
        "run-1.held.UserAttributes-csv.csv",
        "run-1.held.UserAttributes-ndjson.ndjson",
    ]
    assert files[0].read_text() == "id,note\nu3,ä\n"


def test_rows_keep_every_digit_and_every_column(tmp_path: Path) -> None:
    resources = project(tmp_path, {"ndjson": SOURCES["ndjson"]})
    (tmp_path / "a.ndjson").write_text(EXACT)
    plan = Plan(resources, tmp_path)
    left = write_leftovers(plan, [Subject.user("u1")], resources, tmp_path, tmp_path / "run-1.rejected")
    assert left.files[0].read_text() == EXACT.replace(": ", ":").replace(", ", ",")


def test_rows_of_parquet_keep_columns_that_no_spec_can_use(tmp_path: Path) -> None:
    project(tmp_path, {})
    with duckdb.connect() as connection:
        select = (
            "SELECT 'u1' AS id, 'x' AS note, 12.5::DECIMAL(38, 2) AS price, {'a': 1} AS deep, [[1]] AS lists"
        )
        connection.execute(f"COPY ({select}) TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    (tmp_path / "specs").rmdir()
    resources = project(tmp_path, {"parquet": "{file: ../a.parquet, id: id}"})
    plan = Plan(resources, tmp_path)
    left = write_leftovers(plan, [Subject.user("u1")], resources, tmp_path, tmp_path / "run-1.rejected")
    assert left.files[0].read_text() == (
        """{"id":"u1","note":"x","price":12.50,"deep":"{'a': 1}","lists":"[[1]]"}\n"""
    )


def test_a_row_that_the_spec_calls_empty_in_places_is_written_as_it_is(tmp_path: Path) -> None:
    resources = project(tmp_path, {"csv": '{file: ../a.csv, id: id, delimiter: ",", empty: [ä]}'})
    plan = Plan(resources, tmp_path)
    left = write_leftovers(plan, [Subject.user("u3")], resources, tmp_path, tmp_path / "run-1.held")
    assert left.files[0].read_text() == "id,note\nu3,ä\n"


def test_rows_keep_the_delimiter_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id;note\nu1;a,b\n")
    resources = project(tmp_path, {"csv": "{file: ../b.csv, id: id}"})
    left = write_leftovers(
        Plan(resources, tmp_path), [Subject.user("u1")], resources, tmp_path, tmp_path / "run-1.held"
    )
    assert left.files[0].read_text() == "id;note\nu1;a,b\n"


@pytest.mark.parametrize("name", ["a.csv", "specs/csv.yaml"])
def test_a_file_that_changed_since_the_plan_gives_no_rows(name: str, tmp_path: Path) -> None:
    resources = project(tmp_path, SOURCES)
    plan = Plan(resources, tmp_path)
    changed = tmp_path / name
    changed.write_text(changed.read_text().replace("u1", "u0") + "\n")
    left = write_leftovers(plan, [Subject.user("u2")], resources, tmp_path, tmp_path / "run-1.held")
    assert left.changed == (name,)
    assert sorted(file.name for file in left.files) == [
        "run-1.held.UserAttributes-inline.ndjson",
        "run-1.held.UserAttributes-ndjson.ndjson",
    ]
    assert not (tmp_path / "run-1.held.UserAttributes-csv.csv").exists()


def test_a_spec_that_was_removed_since_the_plan_gives_no_rows(tmp_path: Path) -> None:
    resources = project(tmp_path, {"csv": SOURCES["csv"]})
    plan = Plan(resources, tmp_path)
    (tmp_path / "specs" / "csv.yaml").unlink()
    left = write_leftovers(plan, [Subject.user("u2")], resources, tmp_path, tmp_path / "run-1.held")
    assert (left.files, left.changed) == ((), ("specs/csv.yaml",))
