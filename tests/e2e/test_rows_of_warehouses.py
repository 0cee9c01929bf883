"""Specs whose rows are in Snowflake, BigQuery or behind Flight SQL: planned as the same rows of a file, and failures that show nothing."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from files import write_files
from flight_sql import serving_flight_sql
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google_cloud import TOKEN, VALUE, serving_google_cloud
from postgresql import Server
from queries import ask
from shell import Serve, Shell
from tiers import silver
from warehouses import PASSWORD, Warehouse, bigquery_serving, run_in_snowflake, snowflake_serving

pytestmark = pytest.mark.slow

USERS = [f"u{number:02}" for number in range(12)]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  connections: {warehouse: {url: {env: WAREHOUSE_URL}}}
  environments: {live: {appId: app_emulator}}
  limits: {requestsPerSecond: 1000}
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: SOURCE
  attributes:
    tier: {column: TIER}
    visits: {column: VISITS, type: integer}
    share: {column: SHARE, type: number}
    spent: {column: SPENT, type: number}
    active: {column: ACTIVE, type: boolean}
    joined: {column: JOINED, type: date}
"""
QUERY = "{connection: warehouse, query: ../queries/all.sql, id: ID}"
FILE = "{file: ../users.csv, id: ID}"
ROWS = [
    (
        user,
        "gold" if number % 2 else "it, and é",
        str(number * 1000),
        str(number / 8),
        f"{number * 1.25 + 1e-9:.9f}",
        str(number % 3 == 0).lower(),
        f"2026-02-{number + 1:02}",
    )
    for number, user in enumerate(USERS)
]
ROW = "('{}', '{}', {}, {}, CAST('{}' AS {exact}), {}, DATE '{}')"
TABLE = "(ID {text}, TIER {text}, VISITS {whole}, SHARE {number}, SPENT {exact}, ACTIVE {flag}, JOINED DATE)"
TYPES = {
    "snowflake": {
        "text": "VARCHAR",
        "whole": "INT",
        "number": "FLOAT",
        "exact": "NUMBER(38, 9)",
        "flag": "BOOLEAN",
    },
    "bigquery": {"text": "STRING", "whole": "INT64", "number": "FLOAT64", "exact": "NUMERIC", "flag": "BOOL"},
    "flightsql": {
        "text": "VARCHAR",
        "whole": "BIGINT",
        "number": "DOUBLE",
        "exact": "DECIMAL(38, 9)",
        "flag": "BOOLEAN",
    },
    "postgresql": {
        "text": "text",
        "whole": "bigint",
        "number": "float8",
        "exact": "numeric(38, 9)",
        "flag": "boolean",
    },
}


def statements(database: str, schema: str) -> tuple[str, str]:
    values = ", ".join(ROW.format(*row, **TYPES[database]) for row in reversed(ROWS))
    return (
        f"CREATE TABLE {schema}customers {TABLE.format(**TYPES[database])}",
        f"INSERT INTO {schema}customers VALUES {values}",
    )


@contextmanager
def in_snowflake() -> Iterator[Warehouse]:
    with snowflake_serving() as warehouse:
        run_in_snowflake(warehouse.url, *statements("snowflake", "shop.public."))
        yield warehouse


@contextmanager
def in_bigquery() -> Iterator[Warehouse]:
    with bigquery_serving() as warehouse, pytest.MonkeyPatch.context() as patch:
        for name, text in warehouse.environ.items():
            patch.setenv(name, text)
        anonymous: Any = AnonymousCredentials
        client = bigquery.Client("shop", credentials=anonymous())
        client.create_dataset("public")
        for statement in statements("bigquery", "public."):
            client.query_and_wait(statement)
        yield warehouse


@contextmanager
def behind_flight_sql() -> Iterator[Warehouse]:
    with serving_flight_sql(*statements("flightsql", "")) as served:
        yield Warehouse(served.url, {}, served.process)


PLACES = {"snowflake": in_snowflake, "bigquery": in_bigquery, "flightsql": behind_flight_sql}


@pytest.fixture(
    scope="module",
    params=["snowflake", "flightsql", pytest.param("bigquery", marks=pytest.mark.campaign)],
)
def warehouse(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    with PLACES[request.param]() as serving:
        yield serving


def project(folder: Path, serve: Serve, source: str, environ: Mapping[str, str]) -> Shell:
    lines = [",".join(f'"{cell}"' for cell in row) for row in ROWS]
    write_files(
        folder,
        {
            "leanplum-sync.yaml": PROJECT,
            "specs/tiers.yaml": SPEC.replace("SOURCE", source),
            "queries/all.sql": "SELECT * FROM customers",
            "users.csv": "\n".join(["ID,TIER,VISITS,SHARE,SPENT,ACTIVE,JOINED", *lines, ""]),
        },
    )
    return Shell(folder, {**serve(*silver(USERS)).environ, **environ})


def test_rows_of_a_warehouse_give_the_changes_of_the_same_rows_in_a_file(
    warehouse: Warehouse, serve: Serve, tmp_path: Path
) -> None:
    environ = {**warehouse.environ, "WAREHOUSE_URL": warehouse.url}
    of_query = project(tmp_path / "query", serve, QUERY, environ).json("plan")
    of_file = project(tmp_path / "file", serve, FILE, {}).json("plan")
    assert of_query["users"]["changed"] == len(USERS)
    assert of_query["changes"] == of_file["changes"]


def test_the_same_rows_have_the_digest_that_they_have_in_postgresql(
    warehouse: Warehouse, postgresql: Server, tmp_path: Path
) -> None:
    address = postgresql.new_database()
    with postgresql.connect(address.split("/")[3].partition("?")[0]) as connection:
        for statement in statements("postgresql", ""):
            connection.execute(statement.encode())
    names = ("ID", "TIER", "VISITS", "SHARE", "SPENT", "ACTIVE", "JOINED")
    columns = ", ".join(f'{name} AS "{name}"' for name in names)
    expected = ask(address, f"SELECT {columns} FROM customers", tmp_path / "postgresql").kept
    found = ask(warehouse.url, "SELECT * FROM customers ORDER BY TIER, ID DESC", tmp_path / "warehouse").kept
    assert (found.digest, found.count) == (expected.digest, len(USERS))


@pytest.mark.parametrize(
    ("place", "server"), [("snowflake", "Snowflake"), ("flightsql", "The Flight SQL server")]
)
def test_a_password_is_in_no_byte_that_is_written_whatever_fails(
    place: str, server: str, serve: Serve, tmp_path: Path
) -> None:
    said = []
    with PLACES[place]() as warehouse:
        shell = project(tmp_path / "project", serve, QUERY, {"WAREHOUSE_URL": warehouse.url})
        query = shell.folder / "queries/all.sql"
        for text, code in (
            ("SELECT * FROM customers", 0),
            ("SELECT nope FROM customers", 3),
            (f"SELECT ('{PASSWORD}' || ID)::int AS ID FROM customers", 3),
        ):
            query.write_text(text)
            done = shell.run("plan", "--verbose", code=code)
            said.append(done.stdout + done.stderr)
        query.write_text("SELECT * FROM customers")
        done = shell.run("doctor")
        said.append(done.stdout + done.stderr)
        assert f"{server} " in said[-1]
        kept = sorted((shell.folder / ".leanplum-sync/rows").iterdir())
        warehouse.process.send_signal(signal.SIGKILL)
        warehouse.process.wait()
        done = shell.run("plan", "--verbose", code=75)
        said.append(done.stdout + done.stderr)
    assert "can't be reached, or ended the query" in done.stderr
    assert PASSWORD not in json.dumps(said)
    assert sorted((shell.folder / ".leanplum-sync/rows").iterdir()) == kept
    written = [path for path in shell.folder.rglob("*") if path.is_file() and path != query]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def test_a_key_of_bigquery_is_in_no_byte_that_is_written_whatever_fails(serve: Serve, tmp_path: Path) -> None:
    said = []
    with serving_google_cloud(tmp_path) as cloud:
        environ = {**cloud.environ, "WAREHOUSE_URL": "bigquery://shop/public"}
        shell = project(tmp_path / "project", serve, QUERY, environ)
        spec = shell.folder / "specs/tiers.yaml"
        spec.write_text(ONE_ATTRIBUTE)
        told = " ".join(secret.decode() for secret in cloud.secrets)
        jobs = "/bigquery/"
        for fault, code in (
            (None, 0),
            ((jobs, 400, google_error(f"Syntax error: Unexpected keyword FROM; {VALUE}")), 3),
            ((jobs, 400, google_error(f"Bad int64 value: {VALUE}")), 3),
            ((jobs, 403, google_error(f"Access Denied: {told}")), 9),
            ((jobs, 404, google_error("Not found: Dataset shop:public")), 3),
            ((jobs, 418, told), 75),
            (("/token", 400, json.dumps({"error": "invalid_grant", "error_description": told})), 9),
            (("/token", 200, told), 75),
            (("/token", 200, f'"{TOKEN}"'), 75),
            ((jobs, 200, f'["{VALUE}"]'), 75),
        ):
            cloud.fault = fault
            for arguments in (["plan", "--verbose"], ["doctor"]):
                done = shell.run(*arguments, code=code)
                assert "Traceback" not in done.stderr
                said.append(done.stdout + done.stderr)
        whole = cloud.key_file.read_text()
        for damaged in (whole.replace("BEGIN", "BEGUN"), whole[:-20], "[]"):
            cloud.key_file.write_text(damaged)
            done = shell.run("plan", "--verbose", code=9)
            said.append(done.stdout + done.stderr)
            assert "there are no valid Google credentials" in done.stderr
        cloud.key_file.write_text(whole)
        secrets = [*cloud.secrets, VALUE.encode()]
    written = [path.read_bytes() for path in shell.folder.rglob("*") if path.is_file()]
    assert len(written) > 5
    found = [
        each for each in [*written, *(text.encode() for text in said)] if any(s in each for s in secrets)
    ]
    assert found == []


ONE_ATTRIBUTE = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {connection: warehouse, query: ../queries/all.sql, id: id}
  attributes: {tier: {column: tier}}
"""


def google_error(message: str) -> str:
    errors = [{"message": message, "reason": "invalid"}]
    return json.dumps({"error": {"code": 400, "message": message, "errors": errors}})
