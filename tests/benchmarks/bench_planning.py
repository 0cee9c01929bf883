"""How long planning takes, against the bare join of the same files that any planning has to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ratios import IS_QUICK, cost_of, report

TARGET = 3.0
USERS = 10_000 if IS_QUICK else 100_000
ATTRIBUTES = 8
CHANGED = 100  # one user in so many

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: bench}
spec:
  specs: [specs]
  environments: {sandbox: {emulator: embedded}}
  defaultEnvironment: sandbox
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: bench}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
"""
# What has to be done by anybody: read both files, match users, compare each attribute.
JOIN = """\
import duckdb, sys
columns = [f"a{{n}}" for n in range({attributes})]
wanted = {{"id": "VARCHAR", **dict.fromkeys(columns, "VARCHAR")}}
observed = "STRUCT(" + ", ".join(f"{{name}} VARCHAR" for name in columns) + ")"
differs = " OR ".join(f"wanted.{{name}} IS DISTINCT FROM observed.userAttributes.{{name}}" for name in columns)
((changed,),) = duckdb.sql(f'''
    SELECT count(*) FROM read_csv('users.csv', header = true, columns = {{wanted}}) AS wanted
    JOIN read_json('snapshot.ndjson', format = 'newline_delimited',
                   columns = {{{{'userId': 'VARCHAR', 'userAttributes': '{{observed}}'}}}}) AS observed
    ON wanted.id = observed.userId WHERE {{differs}}
''').fetchall()
assert changed == {changed}, changed
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planning")
    (folder / "specs").mkdir()
    (folder / "leanplum-sync.yaml").write_text(PROJECT)
    columns = [f"    a{n}: {{column: a{n}}}\n" for n in range(ATTRIBUTES)]
    (folder / "specs" / "users.yaml").write_text(SPEC + "".join(columns))
    (folder / "users.csv").write_text("".join(wanted()))
    (folder / "snapshot.ndjson").write_text("".join(observed()))
    (folder / "join.py").write_text(JOIN.format(attributes=ATTRIBUTES, changed=USERS // CHANGED))
    return folder


def wanted() -> Iterator[str]:
    yield "id," + ",".join(f"a{n}" for n in range(ATTRIBUTES)) + "\n"
    for user in range(USERS):
        yield f"u{user:08}," + ",".join(value(user, n) for n in range(ATTRIBUTES)) + "\n"


def observed() -> Iterator[str]:
    for user in range(USERS):
        attributes = {f"a{n}": value(user, n) for n in range(ATTRIBUTES)}
        if user % CHANGED == 0:
            attributes["a0"] = "another"
        yield json.dumps({"userId": f"u{user:08}", "success": True, "userAttributes": attributes}) + "\n"


def value(user: int, attribute: int) -> str:
    return f"value {(user * 31 + attribute) % 1000}"


def test_planning_costs_little_more_than_the_join(project: Path) -> None:
    join = min(
        (cost_of([sys.executable, "join.py"], project) for _ in range(3)), key=lambda cost: cost.seconds
    )
    command = [sys.executable, "-m", "leanplum_sync", "plan", "--observed", "snapshot.ndjson", "--quiet"]
    plan = cost_of(command, project)
    ratio = plan.seconds / join.seconds
    detail = f"{plan.seconds:.1f} s against {join.seconds:.2f} s, {plan.peak_bytes / 1e6:.0f} MB at most"
    report(f"plan of {USERS:,} users against the bare join", ratio, f"at most {TARGET:.0f}", detail=detail)
    assert plan.peak_bytes < 1e9
