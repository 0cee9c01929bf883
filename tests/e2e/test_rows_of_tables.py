"""Specs whose rows are in Delta and Iceberg tables: pinned to a version, which the plan records."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from faulty_store import faulty_store
from lake_project import USERS, write_project, write_tiers
from object_store import SECRET
from pyiceberg.catalog.sql import SqlCatalog
from shell import Serve, Shell
from tiers import silver

from leanplum_sync.errors import CredentialError, SourceUnreachableError
from leanplum_sync.sources import connections
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import Files, QueryError

pytestmark = pytest.mark.slow

OLD = pa.table({"id": ["u1", "u2"], "tier": ["gold", "lead"]})
NEW = pa.table({"id": ["u3"], "tier": ["row-secret"]})


@dataclass(frozen=True, slots=True)
class Written:
    """A table with two versions, and what a spec says to read the *latest* and the *old* one."""

    path: str
    latest: str
    old: str
    versions: tuple[str, str]


def write_delta(folder: Path) -> Written:
    write_deltalake(str(folder / "shop/customers"), OLD, partition_by=["tier"])
    write_deltalake(str(folder / "shop/customers"), NEW, mode="append")
    return Written("shop/customers", "format: delta", "format: delta, version: 0", ("version 1", "version 0"))


def write_iceberg(folder: Path) -> Written:
    catalog = SqlCatalog("test", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri())
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.customers", schema=OLD.schema)
    table.append(OLD)
    table.append(NEW)
    catalog.close()
    old, new = (snapshot.snapshot_id for snapshot in table.snapshots())
    return Written(
        table.location().removeprefix(folder.as_uri()).lstrip("/"),
        "format: iceberg",
        f"format: iceberg, snapshot: {old}",
        (f"snapshot {new}", f"snapshot {old}"),
    )


WRITERS = {"delta": write_delta, "iceberg": write_iceberg}


@pytest.fixture(params=WRITERS)
def form(request: Any) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


@pytest.fixture
def table(form: str, folder: Path) -> Written:
    return WRITERS[form](folder)


@pytest.fixture
def lake(folder: Path, tmp_path: Path, serve: Serve) -> Shell:
    shell = Shell(tmp_path / "project", dict(serve(*silver(USERS)).environ))
    write_project(shell.folder, folder.as_uri())
    return shell


def test_a_version_is_recorded_and_can_be_chosen(lake: Shell, table: Written, form: str) -> None:
    write_tiers(lake.folder, table.path, table.latest)
    lake.run("validate")
    lake.run("validate", "--connect")
    (latest,) = lake.json("plan", "--out", "a.lpplan")["rows"]
    assert (latest["rows"], latest["versions"]) == (3, {table.path: table.versions[0]})
    shown = " ".join(lake.run("show", "a.lpplan").stdout.split())
    assert f"3 rows read from {form.capitalize()} table ({table.versions[0]}) at" in shown

    write_tiers(lake.folder, table.path, table.old)
    (old,) = lake.json("plan", "--out", "b.lpplan")["rows"]
    assert (old["rows"], old["versions"]) == (2, {table.path: table.versions[1]})
    assert old["digest"] != latest["digest"]
    explained = " ".join(lake.run("explain", "b.lpplan", "u1").stdout.split())
    assert (
        f"lake:{table.path}: 2 rows read from {form.capitalize()} table ({table.versions[1]}) at" in explained
    )
    assert lake.json("apply", "b.lpplan", "--yes")["complete"]


def test_the_approved_rows_are_applied_although_the_table_is_gone(
    lake: Shell, table: Written, folder: Path
) -> None:
    write_tiers(lake.folder, table.path, table.latest)
    lake.run("plan", "--out", "a.lpplan")
    shutil.rmtree(folder)
    assert lake.json("apply", "a.lpplan", "--yes")["actions"]["done"] == 3
    assert f"lake:{table.path}:row" in lake.run("explain", "a.lpplan", "u2").stdout


def test_a_table_or_version_that_is_not_there_is_told(lake: Shell, table: Written, form: str) -> None:
    for path, more, said in (
        ("shop/gone", table.latest, f"there is no {form.capitalize()} table at this path"),
        (table.path, table.old.rpartition(" ")[0] + " 77", "the table has no "),
    ):
        write_tiers(lake.folder, path, more)
        told = " ".join(lake.run("plan", code=3).stderr.split())
        assert f"lake:{path}: UserAttributes/tiers: {said}" in told


def test_a_missing_extra_is_one_sentence_with_the_command(
    form: str, table: Written, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = {"delta": "deltalake", "iceberg": "pyiceberg.catalog.noop"}[form]
    monkeypatch.setitem(sys.modules, needed, None)
    monkeypatch.delitem(sys.modules, f"leanplum_sync.sources.connections.{form}", raising=False)
    monkeypatch.delattr(connections, form, raising=False)
    with (
        opened("lake", folder.as_uri(), folder, {}, folder) as reader,
        pytest.raises(CredentialError, match=rf"pip install 'leanplum-sync\[{form}\]'"),
    ):
        reader.columns(Files(table.path, form), {})


def test_keys_that_do_not_go_with_the_format_are_told(lake: Shell) -> None:
    for path, more, said in (
        (
            "t",
            "format: delta, snapshot: 7",
            "5:63: UserAttributes/tiers: `snapshot` is for tables of format iceberg",
        ),
        (
            "t",
            "format: iceberg, version: 7",
            "`version` is for tables of format delta. Remove it, or write `format: delta`.",
        ),
        ("t", "version: 7", "`version` is for tables of format delta"),
        ("t/*", "format: iceberg", "a table is one folder, but this is a pattern"),
        ("t", "format: delta, delimiter: ';'", "a table has no delimiter"),
        ("t", "format: delta, version: -1", "`version` is too small. Write 0 or more."),
        ("t", "version: 1, query: a.sql", "`version` can't be used with `query`"),
    ):
        write_tiers(lake.folder, path, more)
        assert said in " ".join(lake.run("validate", code=3).stdout.split())


FAILURES: Mapping[str, type[Exception]] = {
    "400": CredentialError,
    "403": CredentialError,
    "403 on read": CredentialError,
    "404": CredentialError,
    "404 on read": SourceUnreachableError,
    "500": SourceUnreachableError,
    "500 on read": SourceUnreachableError,
    "cut": SourceUnreachableError,
}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.mark.parametrize("fault", FAILURES)
def test_a_failing_store_is_one_clear_error(
    fault: str, form: str, table: Written, folder: Path, keys: None
) -> None:
    files = {
        f"crm/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    scratch = folder / "scratch"
    scratch.mkdir()
    with faulty_store(files) as store:
        store.fault = fault
        with (
            opened("lake", "s3://exports/crm", folder, store.options, scratch) as reader,
            pytest.raises(FAILURES[fault]) as raised,
        ):
            reader.columns(Files(table.path, form), {})
    assert str(raised.value).startswith("Connection lake: ")
    assert "secret" not in str(raised.value)
    assert list(scratch.iterdir()) == []


def test_a_table_that_names_files_elsewhere_is_refused(folder: Path) -> None:
    table = write_iceberg(folder)
    with opened("lake", (folder / "shop").as_uri(), folder, {}, folder) as reader:
        path = table.path.removeprefix("shop/")
        columns = reader.columns(Files(path, "iceberg"), {})
        assert len(columns) == 2
    moved = folder.with_name("moved")
    folder.rename(moved)
    with opened("lake", moved.as_uri(), moved, {}, moved) as reader:
        columns = reader.columns(Files(table.path, "iceberg"), {})
        with pytest.raises(QueryError, match="files that are not below the connection's URL"):
            list(reader.batches(Files(table.path, "iceberg"), {}, columns))


def test_two_metadata_files_of_one_number_are_for_a_person_to_choose(folder: Path) -> None:
    table = write_iceberg(folder)
    metadata = folder / table.path / "metadata"
    last = max(metadata.glob("*.metadata.json"))
    shutil.copy(last, metadata / f"{last.name[:5]}-other.metadata.json")
    with opened("lake", folder.as_uri(), folder, {}, folder) as reader:
        with pytest.raises(QueryError, match="the table has 2 metadata files with the number 2"):
            reader.columns(Files(table.path, "iceberg"), {})
        chosen = Files(f"{table.path}/metadata/{last.name}", "iceberg")
        assert sum(batch.num_rows for batch in reader.batches(chosen, {}, reader.columns(chosen, {}))) == 3
        (metadata / "version-hint.text").write_text("1")
        columns = reader.columns(Files(table.path, "iceberg"), {})
        assert sum(each.num_rows for each in reader.batches(Files(table.path, "iceberg"), {}, columns)) == 2


def test_a_feature_that_can_not_be_read_is_told(folder: Path) -> None:
    write_delta(folder)
    log = folder / "shop/customers/_delta_log/00000000000000000001.json"
    feature = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["x"], "writerFeatures": ["x"]}
    log.write_text(log.read_text() + json.dumps({"protocol": feature}) + "\n")
    with (
        opened("lake", folder.as_uri(), folder, {}, folder) as reader,
        pytest.raises(QueryError, match="a feature of Delta that can't be read"),
    ):
        reader.columns(Files("shop/customers", "delta"), {})
