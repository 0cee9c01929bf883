"""One spec whose rows are in many places: each gives the same plan, and each with types the same digest of rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from azure_store import AZURE_SECRET, serving_azure
from files import write_files
from google_store import GoogleStore, serving_google
from object_store import SECRET, ObjectStore, serving_objects
from places import (
    Place,
    as_csv,
    behind_flight_sql,
    in_azure,
    in_bigquery,
    in_duckdb,
    in_folder,
    in_google,
    in_postgresql,
    in_s3,
    in_snowflake,
    some_rows,
)
from postgresql import Server
from shell import Serve, Shell
from tiers import silver

from leanplum_sync.sources.connections.keeping import keep
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import Files

pytestmark = pytest.mark.slow

COUNT = 40
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {{name: shop}}
spec:
{connections}  environments: {{live: {{appId: app_emulator}}}}
  limits: {{requestsPerSecond: 1000}}
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: customers}}
spec:
  users: {{{listing}, id: id}}
  attributes:
    tier: {{column: tier}}
    visits: {{column: visits, type: integer}}
    spent: {{column: spent, type: number}}
    share: {{column: share, type: number}}
    active: {{column: active, type: boolean}}
    joined: {{column: joined, type: date}}
    seen: {{column: seen, type: date}}
    left: {{column: left, type: date}}
"""


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    with serving_objects() as served:
        yield served


@pytest.fixture(scope="module")
def google() -> Iterator[GoogleStore]:
    with serving_google() as served:
        yield served


def planned(
    folder: Path, environ: Mapping[str, str], place: Place | None
) -> tuple[Any, list[Any], list[Any]]:
    """Return the plan's document without what differs by place, its changes and actions, and what it says of rows."""
    connections = (
        ""
        if place is None
        else (
            f"  connections: {{lake: {{url: {{env: LAKE_URL}}, options: {json.dumps(dict(place.options))}}}}}\n"
        )
    )
    listing = "file: ../customers.csv" if place is None else f"connection: lake, {place.listing}"
    write_files(
        folder,
        {
            "leanplum-sync.yaml": PROJECT.format(connections=connections),
            "specs/customers.yaml": SPEC.format(listing=listing),
            "rows.sql": "SELECT * FROM customers",
        },
    )
    shell = Shell(folder, {**environ, **({} if place is None else {"LAKE_URL": place.url, **place.environ})})
    document = shell.json("plan", "--out", "a.lpplan")
    rows = document.pop("rows")
    for key in ("digest", "createdAt", "observedFrom", "observedUntil", "notes"):
        del document[key]
    with closing(sqlite3.connect(folder / "a.lpplan")) as plan:
        changes = plan.execute(
            "SELECT subject, resource, kind, field, device_id, before, after, asked_line FROM change"
            " ORDER BY subject, field"
        ).fetchall()
        actions = plan.execute(
            "SELECT batch, subject, name, arguments, deliveries FROM action ORDER BY number"
        ).fetchall()
    return document, [changes, actions], rows


def _differences(found: list[Any], expected: list[Any]) -> list[Any]:
    pairs = (
        pair for some, others in zip(found, expected, strict=True) for pair in zip(some, others, strict=True)
    )
    return [pair for pair in pairs if pair[0] != pair[1]]


def test_the_same_rows_give_the_same_plan_wherever_they_are(
    tmp_path: Path, serve: Serve, s3: ObjectStore, google: GoogleStore, postgresql: Server
) -> None:
    rows = some_rows(COUNT)
    with in_snowflake(rows) as snowflake, behind_flight_sql(rows, tmp_path / "flight") as flight_sql:
        places = {
            **in_folder(rows, tmp_path / "lake"),
            **in_s3(rows, s3, "crm", tmp_path),
            **in_google(rows, google, "crm"),
            **in_postgresql(rows, postgresql.new_database()),
            **in_duckdb(rows, tmp_path / "duckdb"),
            **snowflake,
            **flight_sql,
        }
        check_plans(tmp_path, serve, rows, places)


@pytest.mark.campaign
def test_bigquery_gives_the_same_plan(tmp_path: Path, serve: Serve) -> None:
    rows = some_rows(COUNT)
    with in_bigquery(rows) as places:
        check_plans(tmp_path, serve, rows, {**in_folder(rows, tmp_path / "lake"), **places})


@pytest.mark.campaign
def test_azure_gives_the_same_plan_and_its_key_is_in_no_byte_of_the_project(
    tmp_path: Path, serve: Serve
) -> None:
    rows = some_rows(COUNT)
    with serving_azure() as azure:
        places = {**in_folder(rows, tmp_path / "lake"), **in_azure(rows, azure, "crm")}
        check_plans(tmp_path, serve, rows, places)
    written = [each for each in tmp_path.glob("project-*/**/*") if each.is_file()]
    assert len(written) > len(places)
    assert not [each for each in written if AZURE_SECRET.encode() in each.read_bytes()]


def check_plans(tmp_path: Path, serve: Serve, rows: pa.Table, places: Mapping[str, Place]) -> None:
    environ = serve(*silver(f"u{number:04}" for number in range(COUNT))).environ
    write_files(tmp_path / "beside", {"customers.csv": as_csv(rows).decode()})
    expected = planned(tmp_path / "beside", environ, None)
    assert len(expected[1][1]) == COUNT
    digests = {}
    for number, (name, place) in enumerate(places.items()):
        document, content, read = planned(tmp_path / f"project-{number}", environ, place)
        assert document == expected[0], name
        assert _differences(content, expected[1]) == [], name
        assert [entry["rows"] for entry in read] == [COUNT], name
        digests[name] = read[0]["digest"]
    assert len({digests[name] for name, place in places.items() if place.has_types}) == 1
    assert len({digest for name, digest in digests.items() if name.startswith("csv")}) == 1
    assert len({digest for name, digest in digests.items() if name.startswith("ndjson")}) == 1


def digests(rows: pa.Table, folder: Path) -> Mapping[str, str]:
    """Return the digests of the rows in all places of a folder, by format."""
    found = {}
    for name, place in in_folder(rows, folder / "lake").items():
        listing = dict(each.split(": ") for each in place.listing.split(", "))
        files = Files(listing["path"], listing.get("format"))
        with opened("lake", place.url, folder, {}, folder) as reader:
            columns = reader.columns(files, {})
            kept = keep(
                columns,
                reader.batches(files, {}, columns),
                folder,
                folder,
                sorted_by="id",
                parameters={},
                read_at=0.0,
                server="",
                advance=lambda _: None,
            )
        assert kept.count == rows.num_rows
        found[name.partition(" ")[0]] = kept.digest
    return found


def test_a_cell_makes_another_digest_and_the_order_of_rows_does_not(tmp_path: Path) -> None:
    rows = some_rows(COUNT)
    visits = rows.column("visits").to_pylist()
    changed = rows.set_column(2, "visits", [[*visits[:-1], 7]])
    first, *others, last = (
        digests(table, tmp_path / str(number))
        for number, table in enumerate((rows, rows.sort_by("id"), rows.sort_by("spent"), changed))
    )
    assert all(other == first for other in others)
    assert all(last[name] != digest for name, digest in first.items())


def test_no_secret_of_a_store_is_in_any_byte_of_the_project(
    tmp_path: Path, serve: Serve, s3: ObjectStore
) -> None:
    places = in_s3(some_rows(COUNT), s3, "hidden", tmp_path)
    environ = serve(*silver(["u0001"])).environ
    for number, place in enumerate(places.values()):
        planned(tmp_path / f"project-{number}", environ, place)
    written = [each for each in tmp_path.glob("project-*/**/*") if each.is_file()]
    assert len(written) > len(places)
    assert not [each for each in written if SECRET.encode() in each.read_bytes()]
