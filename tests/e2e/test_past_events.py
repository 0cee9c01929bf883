"""Past events, from the spec to the proof: each is recorded once, and none sends a message by accident."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sqlite3
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from files import ndjson, write_files
from journals import shift_doubts
from shell import Serve, Served, Shell

from leanplum_sync.applier.binding import ProjectNow
from leanplum_sync.applier.preflight import Conditions, check_plan
from leanplum_sync.errors import StalePlanError
from leanplum_sync.planfile import open_plan

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments: {live: {appId: app_emulator}}
  limits: {requestsPerSecond: 1000}
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: Events
metadata: {name: orders}
spec:
  users: {file: ../orders.csv, id: user}
  event: Purchase
  key: order
  time: {column: at}
  value: {column: total, type: number}
  parameters: {sku: {column: sku}}
  totals: old
  delivery: 2026-orders
"""
THANKS = {
    "id": 4500000000000001,
    "name": "Thanks",
    "active": True,
    "delivery": "triggered",
    "serverTriggers": "Purchase",
    "messageType": "Push Notification",
}
IDLE = THANKS | {"active": False}
USERS = ("u1", "u2", "u3")
DAY = 24 * 3600
APPLY = ("apply", "a.lpplan", "--yes", "--verify", "all")


def days_ago(days: float) -> str:
    return dt.datetime.fromtimestamp(time.time() - days * 24 * 3600, dt.UTC).isoformat(timespec="seconds")


def orders(*rows: tuple[str, str, float]) -> str:
    """Return the orders (user, key, days ago) as a CSV file."""
    lines = [f"{user},{key},{days_ago(days)},12.5,secret-{key}" for user, key, days in rows]
    return "\n".join(["user,order,at,total,sku", *lines, ""])


ROWS = (
    ("u1", "1001", 3),
    ("u1", "1002", 30),
    ("u2", "1003", 3),
    ("u2", "1004", 400),
    ("u2", "1005", 500),
    ("u9", "1006", 3),
)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    files = {"leanplum-sync.yaml": PROJECT, "specs/orders.yaml": SPEC, "orders.csv": orders(*ROWS)}
    write_files(tmp_path / "project", files)
    return Shell(tmp_path / "project", {})


def served(shell: Shell, serve: Serve, message: Any = IDLE, **options: Any) -> Served:
    found = serve({"message": message}, *({"userId": user} for user in USERS), **options)
    shell.environ |= found.every_key
    return found


def counts(app: Served) -> Any:
    with urllib.request.urlopen(f"{app.url}/_emulator/counts?detail=1") as answer:
        return json.load(answer)


def hazards(plan: Any) -> dict[str, int]:
    return {each["name"]: each["count"] for each in plan["hazards"]}


def happened(app: Served) -> dict[str, int]:
    """Return by user how many events were recorded. None may be there twice."""
    found = {user: events["Purchase"] for user, events in counts(app)["events"].items()}
    assert all(events["repeated"] == 0 for events in found.values())
    return {user: events["total"] for user, events in found.items()}


@pytest.mark.sampled
def test_each_event_is_recorded_once_and_proven(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve)
    assert "6 rows for 3 users" in shell.run("validate").stdout
    plan = shell.json("plan", "--out", "a.lpplan")
    assert plan["changes"] == {"event": 3, "event total": 2}
    for output in ("text", "json", "markdown", "html"):
        shown = shell.run("show", "a.lpplan", "-o", output).stdout
        assert "Purchase" in shown
    explained = shell.json("explain", "a.lpplan", "u2")
    assert [each["reason"] for each in explained["decisions"]] == ["differs from the live value"] * 3
    receipt = shell.json(*APPLY)
    assert receipt["verification"]["equal"] == 2
    # The two old ones are one action.
    assert happened(app) == {"u1": 2, "u2": 2}
    again = shell.json("plan", "--out", "b.lpplan")
    assert again["isEmpty"]
    assert "already received one or more of these events, or may have" in str(again["notes"])
    shell.run("undo", "1", "--out", "u.lpplan")
    assert "can't be removed" in shell.run("show", "u.lpplan").stdout
    assert shell.json("drift")["moved"] == []


@pytest.mark.parametrize("line", ["  key: order\n", "  time: {column: at}\n"])
def test_without_a_key_or_time_no_row_counts_as_repeated(shell: Shell, line: str) -> None:
    spec = shell.folder / "specs" / "orders.yaml"
    for new in ("", line.partition(":")[0] + ": 2026\n"):
        spec.write_text(SPEC.replace(line, new))
        told = shell.run("validate", code=3).stdout
        assert "1 problem" in told
        assert "a second time" not in told


def test_new_rows_are_sent_and_changed_ones_are_not(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    rows = [*(row for row in ROWS if row[1] != "1001"), ("u1", "1001", 7), ("u1", "2001", 4)]
    (shell.folder / "orders.csv").write_text(orders(*rows))
    assert shell.json("plan", "--out", "a.lpplan")["changes"] == {"event": 1}
    shell.run(*APPLY)
    assert happened(app) == {"u1": 3, "u2": 2}


def test_a_backfill_never_sends_a_message_without_consent(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve, THANKS)
    planned = shell.run("plan", "--out", "a.lpplan", code=6)
    assert "2  users who may be sent triggered messages" in planned.stdout
    assert '2 users may be sent "Thanks" (message 4500000000000001)' in " ".join(planned.stdout.split())
    shell.run(*APPLY, code=6)
    shell.run(*APPLY, "--ack", "triggersCampaigns=1", code=6)
    assert counts(app)["writes"] == 0
    # Totals trigger nothing.
    spec = shell.folder / "specs" / "orders.yaml"
    text = spec.read_text()
    spec.write_text(
        text.replace("totals: old", "totals: all").replace("  parameters: {sku: {column: sku}}\n", "")
    )
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    assert counts(app)["sends"] == {}
    assert happened(app) == {"u1": 1, "u2": 1}


def test_with_consent_it_is_as_the_plan_said(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve, THANKS)
    shell.run("plan", "--out", "a.lpplan", code=6)
    shell.run(*APPLY, "--ack", "triggersCampaigns=2")
    assert set(counts(app)["sends"]["4500000000000001"]) == {"u1", "u2"}


def test_a_message_whose_triggers_are_not_shown_counts(shell: Shell, serve: Serve) -> None:
    served(shell, serve, {key: value for key, value in THANKS.items() if key != "serverTriggers"})
    planned = shell.json("plan", "--out", "a.lpplan", code=6)
    assert hazards(planned)["triggersCampaigns"] == 2
    assert "getMessages doesn't show what triggers it" in json.dumps(planned)


def test_a_message_that_was_started_after_planning_stops_apply(shell: Shell, serve: Serve) -> None:
    served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    app = served(shell, serve, THANKS)
    refused = shell.run(*APPLY, code=7)
    assert '"Thanks" (message 4500000000000001)' in refused.stderr
    assert counts(app)["writes"] == 0


@pytest.mark.parametrize(("fault", "word"), [("cut-after", "--done"), ("cut-before", "--again")])
def test_an_event_in_doubt_is_held_and_never_sent_again_without_a_persons_word(
    shell: Shell, serve: Serve, fault: str, word: str
) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    app.faults(f"{fault}:action=track,times=1")
    assert shell.json("apply", "a.lpplan", "--yes", code=5)["actions"]["held"] == 4
    before = happened(app)
    for _ in range(2):
        assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]
        shell.run("apply", "a.lpplan", "--yes", "--resume", code=5)
    assert happened(app) == before == ({"u1": 2, "u2": 2} if fault == "cut-after" else {})
    assert "held" in shell.run("status").stdout
    assert (
        "All held events of a user are resolved together"
        in shell.run("journal", "show", "1", "-o", "json").stdout
    )
    shift_doubts(shell.journal, -3600)
    shell.run("resolve", "1", word, "--yes")
    shell.run("apply", "a.lpplan", "--yes", "--resume")
    assert happened(app) == {"u1": 2, "u2": 2}


def test_nothing_is_sent_while_the_clocks_differ(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    for seconds, word in ((400, "7 minutes behind the host's"), (-200_000, "minutes ahead of the host's")):
        app.faults(f"skew:seconds={seconds}")
        refused = shell.run(*APPLY, code=3)
        assert word in " ".join(refused.stderr.split())
        assert "Set the clock" in refused.stderr
    assert counts(app)["writes"] == 0
    app.faults("skew:seconds=100")
    shell.run(*APPLY)
    assert happened(app) == {"u1": 2, "u2": 2}


def test_events_that_were_recorded_with_a_wrong_time_are_held(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    app.faults("skew:seconds=200000,action=multi")
    applied = shell.run(*APPLY, code=5)
    assert "Leanplum recorded events as happening now" in " ".join(applied.stdout.split())
    assert "Resolve them with --done" in " ".join(applied.stderr.split())
    assert "Leanplum recorded it, but as happening now" in " ".join(applied.stdout.split())
    assert "Verified" not in applied.stdout
    app.faults("")
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]
    shell.run("resolve", "1", "--done", "--yes")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--resume")
    assert receipt["actions"]["done"] == 4
    assert happened(app) == {"u1": 2, "u2": 2}


def test_verify_finds_events_that_were_recorded_too_late_without_a_warning(
    shell: Shell, serve: Serve
) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    app.faults("skew:seconds=50000,action=multi")
    verified = shell.json(*APPLY, code=4)["verification"]
    # The totals of u2 are of even earlier events.
    assert [(each["subject"], each["fields"]) for each in verified["differing"]] == [
        ("user:u1", ["Purchase"])
    ]


def test_rejected_and_skipped_events_end_as_documented(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    shell.run("call", "block", "userId=u1", "--yes")
    shell.environ |= serve({"message": IDLE}, {"userId": "u1"}).every_key  # u2 is gone
    receipt = shell.json("apply", "a.lpplan", "--yes", code=4)
    assert receipt["actions"]["skipped"] == 2
    (rejected,) = (shell.folder / ".leanplum-sync").glob("run-1.rejected.Events-orders.csv")
    with rejected.open(newline="") as file:
        assert {row["user"] for row in csv.DictReader(file)} == {"u2"}
    # They are planned again: nothing happened.
    shell.environ |= app.every_key
    assert shell.json("plan", "--out", "b.lpplan")["changes"] == {"event": 1, "event total": 2}


def test_a_renamed_import_sends_nothing_again(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    spec = shell.folder / "specs" / "orders.yaml"
    spec.write_text(spec.read_text().replace("name: orders", "name: purchases"))
    assert shell.json("plan", "--out", "a.lpplan")["isEmpty"]
    spec.write_text(spec.read_text().replace("delivery: 2026-orders", "delivery: history"))
    planned = shell.json("plan", "--out", "a.lpplan", code=6)
    assert hazards(planned)["suspectedRename"] == 2
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(PROJECT + "  moved: [{from: 2026-orders, to: history}]\n")
    assert shell.json("plan", "--out", "a.lpplan")["isEmpty"]
    # A new row under the new name is sent, and remembered.
    (shell.folder / "orders.csv").write_text(orders(*ROWS, ("u3", "3001", 2)))
    assert shell.json("plan", "--out", "a.lpplan")["changes"] == {"event": 1}
    shell.run(*APPLY)
    assert happened(app) == {"u1": 2, "u2": 2, "u3": 1}


def copied(shell: Shell, **replaced: str) -> None:
    """Add a spec with the same rows under another name, with *replaced* texts."""
    text = SPEC.replace("name: orders", "name: copy").replace("2026-orders", "copied-orders")
    for old, new in replaced.items():
        text = text.replace(f"{old}: ", f"{old}: {new} #")
    (shell.folder / "specs" / "copy.yaml").write_text(text)


def test_the_same_keys_under_another_import_need_consent(shell: Shell, serve: Serve) -> None:
    served(shell, serve)
    # Two new specs over one file.
    copied(shell)
    both = shell.json("plan", "--out", "a.lpplan", code=6)
    assert (hazards(both)["events"], hazards(both)["repeatedEvents"]) == (10, 5)
    (shell.folder / "specs" / "copy.yaml").unlink()
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    # A copy of a spec that was applied, planned with it and alone.
    copied(shell)
    for selected in ((), ("--select", "Events/copy")):
        planned = shell.json("plan", "--out", "a.lpplan", *selected, code=6)
        assert hazards(planned)["repeatedEvents"] == 5
    assert "past events that the user already has" in shell.run("show", "a.lpplan").stdout
    shell.run("apply", "a.lpplan", "--yes", code=6)
    shell.run("apply", "a.lpplan", "--yes", "--ack", "repeatedEvents=5")


@pytest.mark.parametrize("selected", [(), ("--select", "Events/copy")])
def test_imports_of_different_events_may_share_keys(
    shell: Shell, serve: Serve, selected: tuple[str, ...]
) -> None:
    served(shell, serve)
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    copied(shell, event="Refund")
    planned = shell.json("plan", "--out", "a.lpplan", *selected)
    assert (hazards(planned)["events"], hazards(planned).get("repeatedEvents")) == (5, None)
    # The journal doesn't know which event the keys of a removed spec were for.
    (shell.folder / "specs" / "orders.yaml").unlink()
    assert hazards(shell.json("plan", "--out", "a.lpplan", code=6))["repeatedEvents"] == 5


def test_an_event_that_became_too_old_is_refused(shell: Shell, serve: Serve) -> None:
    served(shell, serve)
    (shell.folder / "orders.csv").write_text(orders(("u1", "1", 359)))
    shell.run("plan", "--out", "a.lpplan")
    with open_plan(shell.folder / "a.lpplan") as plan:
        conditions = Conditions(
            plan.header.target,
            shell.folder,
            {},
            project=ProjectNow(plan.header.scope.files if plan.header.scope else ()),
        )
        check_plan(plan, conditions, time.time() + 4 * DAY)
        with pytest.raises(StalePlanError, match="record it as happening now"):
            check_plan(plan, conditions, time.time() + 6 * DAY)


def test_sensitive_parameters_are_masked(shell: Shell, serve: Serve) -> None:
    served(shell, serve)
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(PROJECT + "  sensitive: [sku]\n")
    shell.run("plan", "--out", "a.lpplan")
    for output in ("text", "json", "markdown", "html"):
        assert "secret-" not in shell.run("show", "a.lpplan", "--all", "-o", output).stdout
        if output in ("text", "json"):
            assert "secret-" not in shell.run("explain", "a.lpplan", "u1", "-o", output).stdout
    applied = shell.run(*APPLY)
    assert "secret-" not in applied.stdout + applied.stderr
    for log in (shell.folder / ".leanplum-sync").glob("*.ndjson"):
        assert "secret-" not in log.read_text()


@pytest.mark.parametrize("source", ["inline", "ndjson", "parquet", "connection"])
def test_rows_come_from_every_source(shell: Shell, serve: Serve, source: str) -> None:
    app = served(shell, serve)
    rows = list(csv.DictReader(orders(*ROWS).splitlines()))
    spec = shell.folder / "specs" / "orders.yaml"
    spec.write_text(spec.read_text().replace("{file: ../orders.csv, id: user}", listed(shell, source, rows)))
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    assert happened(app) == {"u1": 2, "u2": 2}
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]


def listed(shell: Shell, source: str, rows: Sequence[dict[str, str]]) -> str:
    (shell.folder / "orders.ndjson").write_text(ndjson(*rows))
    match source:
        case "inline":
            items = [{("id" if key == "user" else key): value for key, value in row.items()} for row in rows]
            return f"{{inline: {json.dumps(items)}}}"
        case "ndjson":
            return "{file: ../orders.ndjson, id: user}"
        case "parquet":
            read = f'SELECT "user", CAST("order" AS BIGINT) AS "order", CAST("at" AS TIMESTAMP) AS "at", CAST(total AS DOUBLE) AS total, sku FROM \'{shell.folder / "orders.ndjson"}\''
            duckdb.sql(f"COPY ({read}) TO '{shell.folder / 'orders.parquet'}'")
            return "{file: ../orders.parquet, id: user}"
        case _:
            with sqlite3.connect(shell.folder / "shop.db") as shop:
                shop.execute("CREATE TABLE orders (user TEXT, number INTEGER, at TEXT, total REAL, sku TEXT)")
                values = [
                    (row["user"], int(row["order"]), row["at"], float(row["total"]), row["sku"])
                    for row in rows
                ]
                shop.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", values)
            project = shell.folder / "leanplum-sync.yaml"
            project.write_text(PROJECT + '  connections: {shop: {url: "sqlite:///shop.db"}}\n')
            (shell.folder / "specs" / "orders.sql").write_text(
                'SELECT user, number AS "order", at, total, sku FROM orders'
            )
            return "{connection: shop, query: orders.sql, id: user}"


def test_events_and_a_send_of_one_user_share_a_request(shell: Shell, serve: Serve) -> None:
    app = served(shell, serve, THANKS | {"delivery": "manual", "serverTriggers": ""})
    (shell.folder / "specs" / "hello.yaml").write_text(
        "apiVersion: leanplum-sync/v1\nkind: MessageSend\nmetadata: {name: hello}\n"
        "spec: {message: {name: Thanks}, recipients: {inline: [u1, u2]}, delivery: hello}\n"
    )
    planned = shell.json("plan", "--out", "a.lpplan", code=6)
    assert planned["cost"]["requests"] == 1
    shell.run(*APPLY, "--ack", "sends=2")
    assert happened(app) == {"u1": 2, "u2": 2}
    assert counts(app)["sends"]["4500000000000001"] == {"u1": 1, "u2": 1}
