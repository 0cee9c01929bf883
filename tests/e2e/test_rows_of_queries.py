"""Specs whose rows are in a PostgreSQL: planned from what was read once, and carried out without the database."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from files import write_files
from hello import HELLO
from postgresql import PASSWORD, Server
from shell import Serve, Served, Shell, Start
from tiers import silver
from waiting import wait_for

from leanplum_sync.library.planning import plan
from leanplum_sync.library.project import Project

pytestmark = pytest.mark.slow

USERS = [f"u{number:02}" for number in range(12)]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  connections: {warehouse: {url: {env: WAREHOUSE_URL}}}
  environments: {live: {appId: app_emulator, budget: {sends: 100}}}
  limits: {requestsPerSecond: 1000}
"""
TIERS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {connection: warehouse, query: ../queries/loyal.sql, id: id, parameters: {least: 2}}
  attributes:
    tier: {column: tier}
    spent: {column: spent}
"""
LETTERS = """\
apiVersion: leanplum-sync/v1
kind: MessageSend
metadata: {name: hello}
spec:
  message: {name: Hello}
  recipients: {connection: warehouse, query: ../queries/all.sql, id: id}
  delivery: hello-2026
"""
LOYAL = "SELECT id, tier, spent, note\nFROM customers\nWHERE purchases >= :least;\n"


class Shop(Shell):
    """A project with a database of its own."""

    database: str

    @property
    def kept(self) -> list[Path]:
        return sorted((self.folder / ".leanplum-sync" / "rows").glob("*.parquet"))

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statement)

    def stop_database(self) -> None:
        """From here on whoever connects fails."""
        del self.environ["WAREHOUSE_URL"]


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(HELLO, *silver(USERS))


@pytest.fixture
def shop(tmp_path: Path, served: Served, postgresql: Server) -> Shop:
    folder = tmp_path / "project"
    write_files(
        folder,
        {
            "leanplum-sync.yaml": PROJECT,
            "specs/tiers.yaml": TIERS,
            "specs/hello.yaml": LETTERS,
            "queries/loyal.sql": LOYAL,
            "queries/all.sql": "SELECT id FROM customers ORDER BY id DESC",
        },
    )
    made = Shop(folder, dict(served.environ))
    made.database = postgresql.new_database()
    made.execute(
        "CREATE TABLE customers (id text, tier text, spent numeric(12, 2), purchases int, note text);"
        " INSERT INTO customers SELECT 'u' || lpad(n::text, 2, '0'), 'gold', n + 0.50, n, 'note ' || n"
        " FROM generate_series(0, 11) AS n; GRANT SELECT ON customers TO guarded"
    )
    made.environ["WAREHOUSE_URL"] = made.database
    return made


def attributes(shop: Shop, user: str) -> Mapping[str, Any]:
    shop.run("pull", user, "--out", "after.ndjson", "--max-age", "0s")
    line = (shop.folder / "after.ndjson").read_text()
    (shop.folder / "after.ndjson").unlink()
    found: Mapping[str, Any] = json.loads(line)["userAttributes"]
    return found


def test_the_approved_rows_are_applied_although_the_database_changed_and_stopped(
    shop: Shop, served: Served
) -> None:
    made = shop.json("plan", "--out", "a.lpplan")
    assert made["users"]["changed"] == len(USERS)
    sources = [note["sentence"] for note in made["notes"] if note["code"] == "source"]
    assert len(sources) == 2
    assert any(source.startswith("10 rows read from PostgreSQL ") for source in sources)
    shop.execute("UPDATE customers SET tier = 'changed'")
    shop.stop_database()

    explained = " ".join(shop.run("explain", "a.lpplan", "u07").stdout.split())
    assert "warehouse:queries/loyal.sql:row 6" in explained
    receipt = shop.json("apply", "a.lpplan", "--yes")
    assert (receipt["complete"], receipt["actions"]["done"]) == (True, 22)
    assert served.sends() == dict.fromkeys(USERS, 1)
    assert attributes(shop, "u07")["tier"] == "gold"
    assert attributes(shop, "u07")["spent"] == 7.5
    assert attributes(shop, "u01")["tier"] == "silver"

    shop.run("undo", "1")
    shop.run("apply", ".leanplum-sync/undo-1.lpplan", "--yes")
    assert attributes(shop, "u07")["tier"] == "silver"


def test_what_is_left_over_comes_from_the_kept_rows(shop: Shop, serve: Serve) -> None:
    shop.run("plan", "--out", "a.lpplan", "--select", "UserAttributes/*")
    there = [user for user in USERS if user not in ("u03", "u08")]
    shop.stop_database()
    shop.environ |= serve(*silver(there)).environ
    left = shop.run("apply", "a.lpplan", "--yes", "--recheck", "off", code=4)
    assert ".leanplum-sync/run-1.rejected.UserAttributes-tiers.ndjson" in left.stderr
    lines = (
        (shop.folder / ".leanplum-sync/run-1.rejected.UserAttributes-tiers.ndjson").read_text().splitlines()
    )
    assert [json.loads(line) for line in lines] == [
        {"id": "u03", "tier": "gold", "spent": 3.5, "note": "note 3"},
        {"id": "u08", "tier": "gold", "spent": 8.5, "note": "note 8"},
    ]
    assert '"spent":3.50' in lines[0]


def test_without_the_kept_rows_a_plan_is_still_applied(shop: Shop, served: Served) -> None:
    shop.run("plan", "--out", "a.lpplan")
    for path in shop.kept:
        path.unlink()
    shop.stop_database()
    assert shop.json("apply", "a.lpplan", "--yes")["complete"]
    assert served.sends() == dict.fromkeys(USERS, 1)


def test_the_same_rows_give_the_same_plan_and_one_other_cell_gives_another(shop: Shop) -> None:
    def digest() -> str:
        return str(shop.json("plan", "--select", "UserAttributes/*")["digest"])

    first = digest()
    shop.execute("CREATE TABLE turned AS SELECT * FROM customers ORDER BY id DESC")
    shop.execute("DROP TABLE customers; ALTER TABLE turned RENAME TO customers")
    assert digest() == first
    # No action depends on this cell: the plan is bound to all that was read.
    shop.execute("UPDATE customers SET note = 'other' WHERE id = 'u05'")
    assert digest() != first
    assert len(shop.kept) == 2


def test_a_plan_equals_the_plan_of_the_same_rows_in_a_file(shop: Shop) -> None:
    def changes() -> Any:
        made = shop.json("plan", "--select", "UserAttributes/*", "--out", "a.lpplan")
        return made["changes"]

    from_database = changes()
    with (shop.folder / "loyal.ndjson").open("w") as file:
        file.writelines(
            json.dumps({"id": f"u{n:02}", "tier": "gold", "spent": n + 0.5}) + "\n" for n in range(2, 12)
        )
    spec = shop.folder / "specs/tiers.yaml"
    users = "{connection: warehouse, query: ../queries/loyal.sql, id: id, parameters: {least: 2}}"
    spec.write_text(TIERS.replace(users, "{file: ../loyal.ndjson, id: id}"))
    assert changes() == from_database


def test_rows_that_were_just_read_are_read_again_only_without_max_age(shop: Shop) -> None:
    arguments = ("plan", "--select", "UserAttributes/*")
    first = shop.json(*arguments)["digest"]
    shop.execute("UPDATE customers SET tier = 'changed'")
    assert shop.json(*arguments, "--max-age", "1h")["digest"] == first
    assert shop.json(*arguments)["digest"] != first
    # Rows of other parameters are other rows.
    assert shop.json(*arguments, "--max-age", "1h", "--set", "least=11")["users"]["listed"] == 1


def test_shards_that_are_planned_one_after_the_other_share_the_rows_that_the_first_read(shop: Shop) -> None:
    users = 0
    for number in (1, 2):
        made = shop.json("plan", "--shard", f"{number}/2", "--max-age", "1h", "--out", f"{number}.lpplan")
        shop.execute("UPDATE customers SET tier = 'changed'")
        users += made["users"]["listed"]
    assert users == len(USERS)
    assert len(shop.kept) == 2  # one for each query


def test_kept_rows_of_another_schema_or_account_are_not_used(shop: Shop) -> None:
    for schema in ("a", "b"):
        shop.execute(
            f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.customers AS SELECT * FROM public.customers"
        )
    shop.execute("DELETE FROM b.customers WHERE id <> 'u11'")
    mark = "&" if "?" in shop.database else "?"
    listed = {}
    for schema in ("a", "b", "a"):
        shop.environ["WAREHOUSE_URL"] = f"{shop.database}{mark}options=-csearch_path%3D{schema}"
        made = shop.json("plan", "--select", "UserAttributes/*", "--max-age", "1h")
        listed[schema] = made["users"]["listed"]
    assert listed == {"a": 10, "b": 1}
    assert len(shop.kept) == 2


def test_set_gives_parameters_and_never_statements(shop: Shop) -> None:
    (shop.folder / "queries/loyal.sql").write_text(
        "SELECT id, tier, spent FROM customers WHERE tier = :tier AND purchases > :least"
    )
    arguments = ("plan", "--select", "UserAttributes/*")
    missing = shop.run(*arguments, code=3).stderr
    assert "the parameter tier has no value" in missing
    assert "--set tier=VALUE" in missing
    attack = "gold'; DROP TABLE customers; --"
    assert shop.json(*arguments, "--set", f"tier={attack}")["users"]["listed"] == 0
    assert shop.json(*arguments, "--set", "tier=gold", "--set", "least=9")["users"]["listed"] == 2
    assert "a whole number" in shop.run(*arguments, "--set", "tier=gold", "--set", "least=x", code=64).stderr
    assert "Did you mean tier?" in shop.run(*arguments, "--set", "tire=gold", code=64).stderr


def test_validate_is_offline_and_asks_the_database_with_connect(shop: Shop) -> None:
    address = shop.environ.pop("WAREHOUSE_URL")
    offline = shop.run("validate")
    assert "Checked offline." in offline.stdout
    assert "Rows of warehouse:queries/loyal.sql were not read" in offline.stderr
    assert "WAREHOUSE_URL is not set" in shop.run("validate", "--connect", code=9).stderr

    shop.environ["WAREHOUSE_URL"] = address
    assert "Query columns checked" in shop.run("validate", "--connect").stdout
    (shop.folder / "queries/loyal.sql").write_text(
        "SELECT purchases AS id, tier AS tiers, now() - now() AS spent FROM customers WHERE purchases > :least"
    )
    found = shop.json("validate", "--connect", code=3)["problems"]
    assert [problem["message"] for problem in found] == [
        "column id of warehouse:queries/loyal.sql is of type integer, but ids must be text",
        "warehouse:queries/loyal.sql has no column tier",
        "column spent of warehouse:queries/loyal.sql is of type interval, which can't become a value",
    ]
    assert not shop.kept


@pytest.mark.parametrize(
    ("query", "users", "said"),
    [
        ("SELECT id, tier FROM t; DROP TABLE t", "", "queries/loyal.sql:1:25: UserAttributes/tiers: there is a second statement"),
        (LOYAL, "{connection: warehose, query: ../queries/loyal.sql, id: id}", "no connection warehose. Did you mean warehouse?"),
        (LOYAL, "{connection: warehouse, query: ../queries/gone.sql, id: id}", "this file or folder doesn't exist"),
        (LOYAL, "{connection: warehouse, query: ../../other.sql, id: id}", "outside the project folder"),
        (LOYAL, "{connection: warehouse, id: id}", "`query` or `path` is missing"),
        (LOYAL, "{query: ../queries/loyal.sql, id: id}", "the connection is missing"),
        (LOYAL, "{connection: warehouse, query: ../queries/loyal.sql, id: id, parameters: {lest: 1}}", "the query has no parameter lest. Did you mean least?"),
        (LOYAL, "{connection: warehouse, query: ../queries/loyal.sql, id: id, parameters: {least: [1]}}", "a parameter must be a string, a number, true, false, or null"),
        (LOYAL, "{connection: warehouse, query: ../queries/loyal.sql, id: id, file: a.csv}", "`file` can't be used with `connection`"),
        (LOYAL, "{connection: warehouse, query: ../queries/loyal.sql}", "the id column is not specified"),
    ],
)  # fmt: skip
def test_what_can_be_known_without_the_database_is_a_problem_of_the_spec(
    shop: Shop, query: str, users: str, said: str
) -> None:
    (shop.folder / "queries/loyal.sql").write_text(query)
    spec = shop.folder / "specs/tiers.yaml"
    whole = "{connection: warehouse, query: ../queries/loyal.sql, id: id, parameters: {least: 2}}"
    assert whole in TIERS
    spec.write_text(TIERS.replace(whole, users or whole))
    assert said in " ".join(shop.run("validate", code=3).stdout.split())


def test_a_bad_cell_is_told_by_connection_query_row_and_column_without_its_value(shop: Shop) -> None:
    shop.execute("UPDATE customers SET spent = 'NaN', tier = 'secret' WHERE id = 'u05'")
    refused = shop.run("plan", code=3).stderr
    assert "warehouse:queries/loyal.sql:row 4: UserAttributes/tiers: the value in column spent" in refused
    assert "secret" not in refused


def test_a_query_that_fails_keeps_nothing(shop: Shop) -> None:
    (shop.folder / "queries/loyal.sql").write_text(
        "SELECT id, tier, 1 / (purchases - :least) AS spent FROM customers"
    )
    refused = shop.run("plan", "--select", "UserAttributes/*", code=3).stderr
    assert "warehouse:queries/loyal.sql" in refused
    assert "code 22012" in refused
    assert not shop.kept


SLOW = "SELECT id, tier, spent FROM customers WHERE (SELECT pg_sleep(seconds) FROM pace) IS NOT NULL OR purchases >= :least"


def working(shop: Shop) -> bool:
    with psycopg.connect(shop.database) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        ).fetchone()
    return found is not None


@pytest.fixture
def slow(shop: Shop) -> Shop:
    shop.execute("CREATE TABLE pace AS SELECT 1000 AS seconds")
    (shop.folder / "queries/loyal.sql").write_text(SLOW)
    return shop


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_query_and_leaves_nothing(
    slow: Shop, start: Start, number: signal.Signals, code: int
) -> None:
    process = start(slow, "plan", "--select", "UserAttributes/*")
    wait_for(lambda: working(slow))
    process.send_signal(number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == code, err
    assert "Traceback" not in err
    wait_for(lambda: not working(slow))
    left = [path.name for path in (slow.folder / ".leanplum-sync").rglob("*") if path.is_file()]
    assert left == []


def terminate(shop: Shop) -> None:
    shop.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )


def test_a_read_that_is_cut_off_begins_again(slow: Shop, start: Start) -> None:
    process = start(slow, "plan", "--select", "UserAttributes/*", "-o", "json")
    wait_for(lambda: working(slow))
    slow.execute("UPDATE pace SET seconds = 0")
    terminate(slow)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert json.loads(out)["users"]["listed"] == len(USERS)


def test_a_database_that_fails_again_and_again_is_told_and_nothing_is_kept(slow: Shop, start: Start) -> None:
    process = start(slow, "plan", "--select", "UserAttributes/*")
    for _ in range(3):
        wait_for(lambda: working(slow))
        terminate(slow)
        wait_for(lambda: not working(slow))
    _, err = process.communicate(timeout=600)
    assert process.returncode == 75, err
    assert "Connection warehouse: the database can't be reached, or ended the connection" in err
    assert not slow.kept


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_query_that_takes_longer_than_the_server_allows_is_told_and_nothing_is_kept(
    slow: Shop, scheme: str
) -> None:
    mark = "&" if "?" in slow.database else "?"
    address = slow.database.replace("postgresql:", f"{scheme}:")
    slow.environ["WAREHOUSE_URL"] = f"{address}{mark}options=-cstatement_timeout%3D200"
    refused = slow.run("plan", "--select", "UserAttributes/*", code=75).stderr
    assert (
        "Connection warehouse: the database can't be reached, or ended the connection (code 57014)" in refused
    )
    assert not slow.kept


def test_a_password_is_in_no_byte_that_is_written(shop: Shop) -> None:
    guarded = shop.database.replace("postgres@", f"guarded:{PASSWORD}@")
    said = []
    for url, code in (
        (guarded, 0),
        (guarded.replace(PASSWORD, f"{PASSWORD}x"), 9),
        (f"{guarded}&port=1", 75),
    ):
        shop.environ["WAREHOUSE_URL"] = url
        done = shop.run("plan", "--verbose", code=code)
        said.append(done.stdout + done.stderr)
    shop.environ["WAREHOUSE_URL"] = guarded
    (shop.folder / "queries/loyal.sql").write_text("SELECT nope FROM customers WHERE purchases > :least")
    for arguments in (["plan"], ["validate", "--connect"]):
        done = shop.run(*arguments, code=3)
        said.append(done.stdout + done.stderr)
    assert PASSWORD not in "".join(said)
    written = [path for path in shop.folder.rglob("*") if path.is_file()]
    assert shop.kept
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]


def test_only_the_owner_can_read_what_is_kept(shop: Shop) -> None:
    shop.run("plan")
    kept = list((shop.folder / ".leanplum-sync" / "rows").iterdir())
    assert len(kept) == 4
    assert [path for path in kept if path.stat().st_mode & 0o077] == []


def test_prune_deletes_old_rows(shop: Shop) -> None:
    shop.run("plan", "--select", "UserAttributes/*")
    assert "Deleted 0 plans.\n" in shop.run("journal", "prune").stderr
    (kept,) = shop.kept
    os.utime(kept, (1, 1))
    pruned = shop.run("journal", "prune")
    assert pruned.stdout == f".leanplum-sync/rows/{kept.name}\n"
    assert not shop.kept


def test_explain_names_the_spec_whose_kept_rows_were_deleted(shop: Shop) -> None:
    shop.run("plan", "--out", "a.lpplan")
    for path in (shop.folder / ".leanplum-sync" / "rows").iterdir():
        path.unlink()
    explained = " ".join(shop.run("explain", "a.lpplan", "u07").stdout.split())
    assert "Specs may ask for more: warehouse:queries/loyal.sql: UserAttributes/" in explained
    assert "is missing or damaged." in explained
    assert "No spec lists this ID" not in explained
    assert "is missing or damaged" in shop.run("explain", "a.lpplan", "nobody").stdout


def test_pull_and_drift_read_rows_too(shop: Shop) -> None:
    shop.run("pull", "--out", "all.ndjson")
    assert len((shop.folder / "all.ndjson").read_text().splitlines()) == len(USERS)
    shop.run("plan", "--select", "UserAttributes/*", "--out", "a.lpplan")
    shop.run("apply", "a.lpplan", "--yes")
    assert "No drift detected" in shop.run("drift").stdout
    shop.run("call", "setUserAttributes", "userId=u07", 'userAttributes={"tier": "lead"}', "--yes")
    assert shop.run("drift", "--detailed-exitcode", code=2)


def test_a_python_program_plans_from_a_query(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shop.environ.items():
        monkeypatch.setenv(name, value)
    project = Project.load(shop.folder / "leanplum-sync.yaml")
    made = plan(project, select=["UserAttributes/*"], set_values={"least": "10"})
    assert made.summary.listed == 2


def test_doctor_tells_of_each_connection_whether_it_answers_and_could_write(shop: Shop) -> None:
    def about_warehouse(code: int = 0) -> dict[str, Any]:
        findings = shop.json("doctor", code=code)["findings"]
        (found,) = (each for each in findings if each["about"] == "connection warehouse")
        return dict(found)

    owner = about_warehouse()
    assert owner["level"] == "note"
    assert "PostgreSQL 16" in owner["sentence"]
    assert "has write access to 1 table (a trial write was accepted, and rolled back)" in owner["sentence"]
    shop.environ["WAREHOUSE_URL"] = shop.database.replace("postgres@", f"guarded:{PASSWORD}@")
    reader = about_warehouse()
    assert reader["level"] == "ok"
    assert "can't write to any table. A trial write was refused." in reader["sentence"]
    shop.environ["WAREHOUSE_URL"] = shop.database.replace("postgres@", f"guarded:{PASSWORD}x@")
    assert "rejected the user name or password" in about_warehouse(code=9)["sentence"]
    shop.environ["WAREHOUSE_URL"] = "postgresql://a@127.0.0.1:1/x"
    assert "can't be reached" in about_warehouse(code=75)["sentence"]
    del shop.environ["WAREHOUSE_URL"]
    assert "WAREHOUSE_URL is not set" in about_warehouse(code=9)["sentence"]
