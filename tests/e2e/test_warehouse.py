"""One spec gives one plan, wherever its rows are: in a file, in SQLite, or in PostgreSQL through either driver."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from postgresql import Server
from shell import ROOT, Example, Shell

pytestmark = pytest.mark.slow

QUERY = """users:
    connection: shop
    query: queries/active.sql
    parameters: {since: "1998-06-01"}
    id: customer_id
"""
FILE = "users: {file: active.ndjson, id: customer_id}\n"


def fill(shell: Shell, url: str = "") -> None:
    example = shell.folder.parent / "loyalty-migration"
    if not example.exists():
        example.symlink_to(ROOT / "examples/loyalty-migration")
    environ = {**shell.variables, **({"WAREHOUSE_URL": url} if url else {})}
    subprocess.run(
        [sys.executable, "fill.py"], cwd=shell.folder, env=environ, check=True, capture_output=True
    )


def planned(shell: Shell, url: str = "") -> Any:
    shell.environ = {"WAREHOUSE_URL": url} if url else {}
    return shell.json("plan", "--out", "a.lpplan")


def test_sqlite_both_drivers_of_postgresql_and_a_file_give_the_same_changes(
    example: Example, postgresql: Server
) -> None:
    shell = example("warehouse")
    address = postgresql.new_database()
    through_sqlalchemy = address.replace("postgresql:", "postgresql+psycopg:")
    fill(shell)
    fill(shell, address)
    plans = [planned(shell), planned(shell, address), planned(shell, through_sqlalchemy)]
    digests = [{path.name for path in rows(shell)}]
    assert len(digests[0]) == 2  # SQLite has no decimals: 100.50 is 100.5
    assert plans[1]["digest"] == plans[2]["digest"]

    write_file(shell)
    spec = shell.folder / "specs/active.yaml"
    assert QUERY in spec.read_text()
    spec.write_text(spec.read_text().replace(QUERY, FILE))
    plans.append(planned(shell))
    first, *others = (plan["changes"] for plan in plans)
    assert [other == first for other in others] == [True] * 3
    assert plans[0]["users"]["changed"] == 138


def rows(shell: Shell) -> list[Path]:
    return sorted((shell.folder / ".leanplum-sync/rows").glob("*.parquet"))


def write_file(shell: Shell) -> None:
    tiers = {1: "new", 2: "returning", 3: "returning"}
    with (ROOT / "examples/loyalty-migration/data/customers.csv").open(newline="") as file:
        active = [row for row in csv.DictReader(file) if row["last_order"] >= "1998-06-01"]
    with (shell.folder / "specs/active.ndjson").open("w") as file:
        for row in active:
            orders = int(row["orders"])
            line = {
                "customer_id": row["customer_id"],
                "tier": tiers.get(orders, "loyal"),
                "orders": orders,
                "spend_usd": float(row["spend_usd"]),
                "last_order": row["last_order"],
            }
            file.write(json.dumps(line) + "\n")
