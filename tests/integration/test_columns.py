"""The columns beside a snapshot: pull writes them, plans find them if they belong to it, and are the same without them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from nightly import Nightly, nightly, row, variables

from leanplum_sync.cli.program import program
from leanplum_sync.operations.check import check
from leanplum_sync.progress import SilentProgress
from leanplum_sync.specs import load
from leanplum_sync.staging import Staging, columns
from leanplum_sync.staging.columns import find_columns, write_columns
from leanplum_sync.staging.prints import attribute, profile

FIELDS = [attribute("tier"), profile("country")]
LINES = [
    {
        "userId": f"u{number}",
        "observedAt": 9.5,
        "country": "DE",
        "userAttributes": {"tier": "gold", "n": number},
    }
    for number in range(50)
]


def snapshot_of(folder: Path, text: str = "".join(json.dumps(line) + "\n" for line in LINES)) -> Path:
    path = folder / "users.ndjson"
    path.write_text(text)
    return path


def files_beside(snapshot: Path) -> list[Path]:
    return sorted(each for each in snapshot.parent.iterdir() if each.name.startswith(f"{snapshot.name}."))


def test_columns_are_private_hold_no_value_and_replace_those_before(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path)
    previous = os.umask(0)
    try:
        assert write_columns(snapshot, FIELDS[:1], least_bytes=0)
        assert write_columns(snapshot, FIELDS, least_bytes=0)
    finally:
        os.umask(previous)
    (file,) = files_beside(snapshot)
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"gold" not in file.read_bytes()
    found = find_columns(snapshot)
    assert found is not None
    assert (found.assumptions.fields, found.names) == (frozenset(FIELDS), {"tier"})


@pytest.mark.parametrize("what", ["longer", "same size", "touched", "of another snapshot"])
def test_columns_of_other_content_are_not_found(what: str, tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path)
    assert write_columns(snapshot, FIELDS, least_bytes=0)
    state = snapshot.stat()
    match what:
        case "longer":
            with snapshot.open("a") as file:
                file.write(json.dumps(LINES[0]) + "\n")
        case "same size":
            snapshot.write_text(snapshot.read_text().replace("gold", "blue", 1))
            os.utime(snapshot, ns=(state.st_mtime_ns, state.st_mtime_ns))
        case "touched":
            os.utime(snapshot, (1, 1))
        case _:
            other = tmp_path / "other.ndjson"
            other.write_text(snapshot.read_text().replace("gold", "blue"))
            (file,) = files_beside(snapshot)
            file.rename(tmp_path / file.name.replace("users", "other"))
            snapshot = other
    assert find_columns(snapshot) is None
    assert write_columns(snapshot, FIELDS, least_bytes=0)
    assert find_columns(snapshot) is not None
    assert len(files_beside(snapshot)) == 1


def test_damaged_columns_are_not_found(tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path)
    assert write_columns(snapshot, FIELDS, least_bytes=0)
    (file,) = files_beside(snapshot)
    whole = file.read_bytes()
    for at in range(0, len(whole), 97):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert find_columns(snapshot) is None, at
    file.write_bytes(whole[:-1])
    assert find_columns(snapshot) is None
    file.write_bytes(whole)
    assert find_columns(snapshot) is not None


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(LINES[0]) + "\n\n" + json.dumps(LINES[1]) + "\n",
        json.dumps(LINES[0]) + " \n",
        json.dumps(LINES[0]),
        "not JSON\n",
        '{"success": true}\n',
        json.dumps(LINES[0] | {"observedAt": -1}) + "\n",
        "",
    ],
)
def test_a_snapshot_whose_lines_have_no_certain_place_gets_no_columns(text: str, tmp_path: Path) -> None:
    snapshot = snapshot_of(tmp_path)
    assert write_columns(snapshot, FIELDS, least_bytes=0)
    snapshot.write_text(text)
    assert write_columns(snapshot, FIELDS, least_bytes=0) == (text == "")
    if text:
        assert files_beside(snapshot) == []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nightly]:
    with nightly(tmp_path, {f"u{number:06}": row(number) for number in range(60)}) as served:
        for name, value in variables(served.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(columns, "LEAST_BYTES", 0)
        yield served


def test_a_plan_from_what_pull_wrote_is_the_same_with_its_columns(
    world: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.rows["u000007"]["tier"] = "platinum"
    world.rows["new"] = row(1)
    world.project()
    monkeypatch.chdir(world.root)
    pulled = CliRunner().invoke(program, ["pull", "--out", "users.ndjson", "--quiet"])
    assert pulled.exit_code == 0, pulled.output
    snapshot = world.root / "users.ndjson"
    (file,) = files_beside(snapshot)
    found = find_columns(snapshot)
    assert found is not None
    loaded = load(world.root / "leanplum-sync.yaml")
    with Staging() as staging:
        check(loaded, staging, SilentProgress())
        assert staging.users.sift_columns(found, snapshot, snapshot.stat().st_mtime)
        assert [each.subject.id for each in staging.met()] == ["new", "u000007"]
    with_columns = world.plan(snapshot=snapshot)
    file.unlink()
    without = world.plan(snapshot=snapshot)
    assert with_columns.digest == without.digest
    assert with_columns.summary == without.summary
    assert (with_columns.summary.changed, with_columns.summary.missing) == (1, 1)


TIER = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tier}
spec: {users: {file: ../users.csv, id: id}, attributes: {tier: {column: tier}}}
"""


def test_users_without_exactly_one_response_of_their_own_are_passed_on(world: Nightly) -> None:
    """Their rows ask for nothing, so whatever the response is, nothing would change; but whether they exist has to be noticed."""
    world.specs = {"tier": TIER}
    empty = {"tier": "", "points": 1, "vip": "", "country": ""}
    world.rows = {"one": row(1), "missing": empty, "of-a-device": empty, "two": row(1)}
    loaded = load(world.project().path)
    gold, blue = {"userAttributes": {"tier": "gold"}}, {"userAttributes": {"tier": "blue"}}
    lines = [
        {"userId": "one", **gold},
        {"userId": "missing", "warning": {"message": "User not found; request skipped."}},
        {"userId": "of-a-device", "deviceId": "of-a-device", **gold},
        {"userId": "two", **gold},
        {"userId": "two", **blue},
    ]
    snapshot = snapshot_of(world.root, "".join(json.dumps(line) + "\n" for line in lines))
    assert write_columns(snapshot, FIELDS)
    found = find_columns(snapshot)
    assert found is not None
    with Staging() as staging:
        check(loaded, staging, SilentProgress())
        assert staging.users.sift_columns(found, snapshot, 5.0)
        met = {each.subject.id: each.element for each in staging.met()}
    assert sorted(met) == ["missing", "of-a-device", "two"]
    assert met["of-a-device"] is None
    assert (met["two"] or {})["userAttributes"] == {"tier": "blue"}
