"""Specs whose rows are in files of an object store: a folder, or an S3."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from azure_store import AzureStore, serving_azure
from lake_project import USERS, write_project, write_tiers
from object_store import SECRET, ObjectStore, serving_objects
from pyarrow import parquet
from shell import Serve, Shell
from tiers import silver

from leanplum_sync.errors import SourceUnreachableError
from leanplum_sync.sources.connections import objects
from leanplum_sync.sources.connections.globs import matches
from leanplum_sync.sources.connections.reader import Files

pytestmark = pytest.mark.slow

DATE = "{date}"


def as_parquet(**columns: list[Any]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


FILES = {
    "customers/2026-11-01/a.csv": b"id,tier\nu1,gold\nu2,silver\n",
    "customers/2026-11-01/b.csv.gz": gzip.compress(b"id,tier\nu3,gold\n"),
    "customers/2026-11-02/a.csv": b"id,tier\nu4,lead\n",
    "customers/2026-11-02/notes.txt": b"not a data file",
    "parted/tier=gold/day=1/a.parquet": as_parquet(id=["u1"], visits=[7]),
    "parted/tier=lead%20x/day=2/a.parquet": as_parquet(id=["u2"], visits=[8]),
    "odd/a.ndjson": b'{"id": "u1", "tier": "gold"}\n{"id": "u2", "visits": 12345678901234567}\n',
    "bad/a.csv": b"id,tier\nu1,gold,secret\n",
    "apart/a.csv": b"id,tier\nu1,gold\n",
    "apart/b.csv": b"id,level\nu2,gold\n",
}


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    with serving_objects() as served:
        served.put({f"crm/{path}": content for path, content in FILES.items()})
        yield served


@pytest.fixture(scope="module")
def azure() -> Iterator[AzureStore]:
    with serving_azure() as served:
        served.put({f"crm/{path}": content for path, content in FILES.items()})
        yield served


@pytest.fixture(params=["folder", "s3", pytest.param("az", marks=pytest.mark.campaign)])
def lake(request: Any, tmp_path: Path, serve: Serve) -> Shell:
    folder = tmp_path / "project"
    environ: Mapping[str, str] = {}
    if request.param == "folder":
        url, options = f"file://{tmp_path}/lake", {}
        for path, content in FILES.items():
            file = tmp_path / "lake" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    else:
        served: ObjectStore | AzureStore = request.getfixturevalue({"s3": "s3", "az": "azure"}[request.param])
        url, options, environ = f"{request.param}://exports/crm", served.options, served.environ
    write_project(folder, url, options)
    return Shell(folder, {**serve(*silver(USERS)).environ, **environ})


def listed(lake: Shell, path: str, *arguments: str) -> dict[str, Any]:
    write_tiers(lake.folder, path)
    lake.run("plan", "--out", "a.lpplan", *arguments)
    lake.run("apply", "a.lpplan", "--yes")
    lake.run("pull", *USERS, "--out", "after.ndjson", "--max-age", "0s")
    users = map(json.loads, (lake.folder / "after.ndjson").read_text().splitlines())
    return {user["userId"]: user["userAttributes"].get("tier") for user in users}


def test_the_version_of_each_file_is_in_the_plan_and_not_in_its_digest(lake: Shell) -> None:
    path = "customers/2026-11-01/*.csv*"
    write_tiers(lake.folder, path)
    (entry,) = lake.json("plan", "--out", "a.lpplan")["rows"]
    names = {f"customers/2026-11-01/{name}" for name in ("a.csv", "b.csv.gz")}
    assert (entry["connection"], entry["source"], entry["rows"]) == ("lake", path, 3)
    assert {name.removeprefix("crm/") for name in entry["versions"]} == names
    assert all(version.startswith("ETag ") for version in entry["versions"].values())
    assert lake.json("show", "a.lpplan")["rows"] == [entry]
    with closing(sqlite3.connect(lake.folder / "a.lpplan")) as plan:
        (origins,) = plan.execute("SELECT value FROM meta WHERE key = 'origins'").fetchone()
    assert next(iter(entry["versions"].values())) in origins

    write_tiers(lake.folder, "customers/2026-11-01/a.csv")
    (entry,) = lake.json("plan", "--out", "b.lpplan")["rows"]
    (version,) = entry["versions"].values()
    shown = " ".join(lake.run("show", "b.lpplan").stdout.split())
    assert f"2 rows read from 1 file of 26 bytes ({version}) at" in shown


def test_connections_with_other_options_share_no_kept_rows(
    s3: ObjectStore, tmp_path: Path, serve: Serve
) -> None:
    with serving_objects() as other:
        other.put({"crm/customers/2026-11-01/a.csv": b"id,tier\nu1,other\n"})
        lake = Shell(tmp_path / "project", {**serve(*silver(USERS)).environ, **s3.environ})
        write_tiers(lake.folder, "customers/2026-11-01/a.csv")
        counts = []
        for store in (s3, other, s3):
            write_project(lake.folder, "s3://exports/crm", store.options)
            (entry,) = lake.json("plan", "--max-age", "1h")["rows"]
            counts.append((entry["rows"], entry["readAt"]))
        assert [count for count, _ in counts] == [2, 1, 2]
        assert counts[0] == counts[2]


def test_several_files_are_one_source(lake: Shell) -> None:
    assert listed(lake, "customers/2026-11-01/*.csv*") == {
        "u1": "gold",
        "u2": "silver",
        "u3": "gold",
        "u4": "silver",
    }
    assert listed(lake, "customers/**/*.csv")["u4"] == "lead"


def test_a_name_in_braces_is_a_parameter(lake: Shell) -> None:
    path = f"customers/{DATE}/a.csv"
    assert listed(lake, path, "--set", "date=2026-11-02")["u4"] == "lead"
    missing = lake.run("plan", code=3).stderr
    assert "the parameter date has no value" in missing
    assert "can't be part of a path" in lake.run("plan", "--set", "date=../odd", code=3).stderr
    assert "no file matches this path" in lake.run("plan", "--set", "date=*", code=3).stderr


def test_folders_of_hive_are_columns(lake: Shell) -> None:
    found = listed(lake, "parted/**/*.parquet")
    assert (found["u1"], found["u2"]) == ("gold", "lead x")


def test_ndjson_keeps_each_value_and_the_row_of_one_that_can_not_be_sent(lake: Shell) -> None:
    assert listed(lake, "odd/*.ndjson")["u1"] == "gold"
    spec = lake.folder / "specs/tiers.yaml"
    spec.write_text(spec.read_text().replace("column: tier", "column: visits"))
    assert "lake:odd/*.ndjson:row 2: UserAttributes/tiers: the value in column visits" in " ".join(
        lake.run("plan", code=3).stderr.split()
    )


def test_what_is_wrong_with_a_file_is_told_with_its_name_and_keeps_nothing(lake: Shell) -> None:
    for path, said in {
        "bad/a.csv": "lake:bad/a.csv:2: UserAttributes/tiers:",
        "gone/*.csv": "lake:gone/*.csv: UserAttributes/tiers: no file matches this path",
        "apart/*.csv": "lake:apart/a.csv has no column level, but lake:apart/b.csv has one",
        "customers/*/notes.txt": "the format of customers/2026-11-02/notes.txt can't be determined",
        "parted/*/*/*.parquet": "",
    }.items():
        write_tiers(lake.folder, path)
        told = " ".join(lake.run("plan", code=3 if said else 0).stderr.split())
        assert said in told
        assert "secret" not in told
    assert len(list((lake.folder / ".leanplum-sync/rows").glob("*.parquet"))) == 1


def test_a_plan_is_applied_without_the_store(lake: Shell) -> None:
    write_tiers(lake.folder, "customers/2026-11-01/*.csv*")
    lake.run("validate")
    assert "Query columns checked" in lake.run("validate", "--connect").stdout
    lake.run("plan", "--out", "a.lpplan")
    project = lake.folder / "leanplum-sync.yaml"
    text = project.read_text()
    gone = text.replace("://exports", "://gone").replace('/lake"', '/gone"')
    project.write_text(gone)
    assert gone != text
    lake.run("plan", "--out", "b.lpplan", code=9)
    project.write_text(text)
    lake.environ.pop("AWS_SECRET_ACCESS_KEY", None)
    assert lake.json("apply", "a.lpplan", "--yes")["complete"]
    explained = " ".join(lake.run("explain", "a.lpplan", "u3").stdout.split())
    assert "lake:customers/2026-11-01/*.csv*:row 3" in explained


def test_a_secret_is_in_no_byte_that_is_written(s3: ObjectStore, tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "project"
    lake = Shell(folder, {**serve(*silver(USERS)).environ, **s3.environ})
    write_tiers(folder, "customers/2026-11-01/*.csv*")
    said = ""
    for bucket, endpoint, code in (
        ("exports/crm", s3.endpoint, 0),
        ("gone", s3.endpoint, 9),
        ("exports", "http://127.0.0.1:1", 75),
    ):
        write_project(folder, f"s3://{bucket}", {**s3.options, "endpoint": endpoint})
        done = lake.run("plan", code=code)
        said += done.stdout + done.stderr
    assert SECRET not in said
    assert not [each for each in folder.rglob("*") if each.is_file() and SECRET.encode() in each.read_bytes()]


def test_a_file_that_changes_while_it_is_read_is_refused(s3: ObjectStore, tmp_path: Path) -> None:
    s3.put({"moving/a.csv": b"id,tier\nu1,gold\n"})
    reader = objects.ObjectReader("lake", s3.store(), tmp_path)
    (meta,) = reader._listed(Files("moving/a.csv"))
    s3.put({"moving/a.csv": b"id,tier\nu1,other\n"})
    with pytest.raises(SourceUnreachableError, match="changed or deleted while it was read"):
        reader._download(meta, Files("moving/a.csv"), "file")


def test_a_file_that_ends_early_is_refused(s3: ObjectStore, tmp_path: Path) -> None:
    s3.put({"short/a.csv": b"id,tier\nu1,gold\n"})
    reader = objects.ObjectReader("lake", s3.store(), tmp_path)
    (meta,) = reader._listed(Files("short/a.csv"))
    with pytest.raises(SourceUnreachableError, match="ended after 16 of 17 bytes"):
        reader._download({**meta, "size": meta["size"] + 1}, Files("short/a.csv"), "file")


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("a/b.csv", "a/*.csv", True),
        ("a/x/b.csv", "a/*.csv", False),
        ("a/x/y/b.csv", "a/**/*.csv", True),
        ("a/b.csv", "a/**/*.csv", True),
        ("a/b.csv", "**", True),
        ("a/b1.csv", "a/b[0-4].csv", True),
        ("a/b5.csv", "a/b[0-4].csv", False),
        ("a/*.csv", "a/[*].csv", True),
        ("a/B.csv", "a/b.csv", False),
    ],
)
def test_stars_stay_in_a_folder_and_two_of_them_cross_folders(
    path: str, pattern: str, expected: bool
) -> None:
    assert matches(path, pattern) is expected
