"""Rows of what did not succeed, as sources for a next run."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.applier.leftovers import write_leftovers
from leanplum_sync.kinds import Resource
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.problem import Place
from leanplum_sync.sources import rows
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
CSV = 'id,note\nu1,"one, two"\nu2,"a ""quote"", and\na line"\nu3,ä\n'
NDJSON = '{"id": "u1", "note": "one"}\n{"id": "u2", "note": 2}\n{"id": "u3", "note": null}\n'


class Plan:
    """Every row of every resource asked for one change."""

    def __init__(self, resources: Sequence[Resource], root: Path) -> None:
        self._changes: dict[Subject, tuple[Change, ...]] = {}
        for resource in resources:
            for row in rows(resource.source, root, lambda _: None):
                subject = Subject.user(str(row.values["id"]))
                change = Change(
                    subject, str(resource.address), ChangeKind.SET, "note", None, 1, Place("a"), row.place
                )
                self._changes[subject] = (*self._changes.get(subject, ()), change)

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
    (path,) = write_leftovers(plan, [Subject.user("u2")], resources, tmp_path, tmp_path / "run-3.rejected")
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
    files = write_leftovers(plan, subjects, resources, tmp_path, tmp_path / "run-1.held")
    assert [file.name for file in files] == [
        "run-1.held.UserAttributes-csv.csv",
        "run-1.held.UserAttributes-ndjson.ndjson",
    ]
    assert files[0].read_text() == "id,note\nu3,ä\n"
