"""Subscriptions from the spec to the proof: who leaves is never brought back without a dated consent, and only once with one."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path
from typing import Any, Final

import brief_waits
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import ndjson, write_files
from journals import shift_doubts
from shell import TIMEOUT_SECONDS, Serve, Served, Shell

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, budget: {resubscribes: 3}, limits: {requestsPerSecond: 1000}}
  connections:
    crm: {url: "sqlite:///crm.db"}
"""
SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: Subscriptions
metadata: {name: choices}
spec:
  users: {file: choices.csv, id: user}
  channels:
    Email: {column: email, map: {"no": unsubscribed, "yes": subscribed}}
    Push Notification: {column: push}
  categories:
    "5": {column: news, map: {"no": unsubscribed}, otherwise: unchanged}
  consent: {column: consented_at}
"""
TIERS: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {inline: [leaves, returns]}
  attributes: {tier: gold}
"""
ROWS: Final = """\
user,email,push,news,consented_at
leaves,no,,no,
returns,yes,unsubscribed,yes,2026-03-01
left-later,yes,,,2026-03-01
stays,yes,,,2026-03-01
nobody,no,,,
"""
LEFT_EARLY, LEFT_LATER = 1.76e9, 1.78e9  # around the consents of 2026-03-01
ADDRESS: Final = "Subscriptions/choices"


def left(at: float, *channels: str) -> dict[str, Any]:
    event = {"count": 1, "firstTime": at, "lastTime": at}
    return {"unsubscribeChannels": list(channels), "events": {"Unsubscribe": event}}


SEED: Final = (
    {"unsubscribeCategory": {"id": 5, "name": "News"}},
    {"userId": "leaves"},
    {"userId": "returns", **left(LEFT_EARLY, "Email")},
    {"userId": "left-later", **left(LEFT_LATER, "Email")},
    {"userId": "stays"},
)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*SEED)


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    files = {
        "leanplum-sync.yaml": PROJECT,
        "specs/choices.yaml": SPEC,
        "specs/tiers.yaml": TIERS,
        "specs/choices.csv": ROWS,
    }
    write_files(tmp_path / "shop", files)
    return Shell(tmp_path / "shop", {**served.environ, brief_waits.VARIABLE: "1"})


def out_of(shell: Shell, user: str) -> list[str]:
    shown = json.loads(shell.run("call", "exportUser", f"userId={user}").stdout)
    categories = [f"category {each['id']}" for each in shown.get("unsubscribeCategories", [])]
    return [*shown["unsubscribeChannels"], *categories]


def test_a_walk_from_the_spec_to_the_proof(shell: Shell, served: Served) -> None:
    assert "Valid: 2 specs" in shell.run("validate").stdout

    planned = shell.json("plan", "--out", "a.lpplan")
    hazards = {hazard["name"]: hazard["count"] for hazard in planned["hazards"]}
    assert (hazards["resubscribes"], hazards["unsubscribes"]) == (1, 3)
    # Two users in one batch. The re-subscription comes by itself, and is checked just before.
    assert (planned["cost"]["writes"], planned["cost"]["checks"]) == (3, 1)
    notes = {note["code"]: note["samples"] for note in planned["notes"]}
    assert notes["consent_older"] == ["left-later"]
    assert notes["missing"] == ["nobody"]
    for output in ("text", "json", "markdown", "html"):
        shown = shell.run("show", "a.lpplan", "-o", output).stdout
        assert "re-subscribe" in shown
        assert "category 5" in shown
        assert "2026-03-01" not in shown

    explained = shell.json("explain", "a.lpplan", "left-later")
    assert [
        (each["field"], each["observed"], each["desired"], each["isChanged"])
        for each in explained["decisions"]
    ] == [("Email", "unsubscribed", "subscribed", False)]

    before = served.counts()["billableLookups"]
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "all", "--recheck", "off")
    assert receipt["actions"]["done"] == 4
    assert receipt["verification"]["equal"] == 2
    after = served.counts()["billableLookups"]
    assert after["writes"] - before["writes"] == 3
    assert after["reads"] - before["reads"] == 1 + receipt["verification"]["checked"]
    assert out_of(shell, "leaves") == ["Email", "category 5"]
    assert out_of(shell, "returns") == ["Push Notification"]
    assert out_of(shell, "left-later") == ["Email"]
    assert served.counts()["requests"]["byAction"]["multi"] == 2

    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]


@pytest.mark.parametrize(
    "event",
    [pytest.param(event, marks=pytest.mark.doubt(unsubscribe_event=event)) for event in ("recorded", "none")],
)
def test_who_leaves_again_stays_away_whatever_the_api_shows(shell: Shell, event: str) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    leave = ("call", "setUserAttributes", "userId=returns", "unsubscribeChannelsToAdd=Email", "--yes")
    shell.run(*leave)
    planned = shell.json("plan", "--out", "b.lpplan")
    assert planned["isEmpty"]
    used = {note["code"]: note["samples"] for note in planned["notes"]}["consent_used"]
    assert used == ["returns"], event


def only_return(shell: Shell) -> None:
    csv = shell.folder / "specs" / "choices.csv"
    csv.write_text(ROWS.replace("returns,yes,unsubscribed,yes", "returns,yes,,yes"))


def leave_again(shell: Shell, user: str) -> None:
    """The user returns to Email, and leaves it again: live state looks the same, but for the date."""
    for argument in ("unsubscribeChannelsToRemove=Email", "unsubscribeChannelsToAdd=Email"):
        shell.run("call", "setUserAttributes", f"userId={user}", argument, "--yes")


@pytest.mark.doubt(unsubscribe_event="recorded")
@pytest.mark.parametrize("recheck", ["auto", "on", "off"])
def test_who_leaves_again_after_the_plan_stays_away_whatever_recheck_says(shell: Shell, recheck: str) -> None:
    shell.run("plan", "--out", "a.lpplan")
    leave_again(shell, "returns")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "none", "--recheck", recheck, code=4)
    assert (receipt["actions"]["done"], receipt["actions"]["conflicting"]) == (3, 1)
    (conflict,) = receipt["exceptions"]
    assert conflict["subject"] == "user:returns"
    assert conflict["message"] == "unsubscribed after the consent, and stays unsubscribed: Email"
    # The choice to leave is carried out all the same.
    assert out_of(shell, "returns") == ["Email", "Push Notification"]
    planned = shell.json("plan", "--out", "b.lpplan")
    assert planned["isEmpty"]


@pytest.mark.parametrize(
    "events",
    [
        {".m5670583287676928 Unsubscribe": {"count": 1, "lastTime": LEFT_LATER}},
        {".m5670583287676928 Marked as spam": {"count": 1, "lastTime": LEFT_LATER}},
        {"Unsubscribe": {"count": 1}},
        {"Unsubscribe": {"count": 1, "lastTime": "1.76E9"}},
    ],
)
def test_an_unsubscription_by_message_or_without_a_date_is_later_than_the_consent(
    shell: Shell, tmp_path: Path, events: Any
) -> None:
    shown = {"userId": "returns", "userAttributes": {}, "unsubscribeChannels": ["Email"], "events": events}
    users = [
        shown,
        *({"userId": user, "userAttributes": {}} for user in ("leaves", "left-later", "stays", "nobody")),
    ]
    (tmp_path / "users.ndjson").write_text(ndjson(*users))
    planned = shell.json(
        "plan", "--observed", str(tmp_path / "users.ndjson"), "--select", ADDRESS, "--out", "a.lpplan"
    )
    assert {note["code"]: note["samples"] for note in planned["notes"]}["consent_older"] == ["returns"]
    assert "resubscribes" not in {hazard["name"] for hazard in planned["hazards"]}


@pytest.mark.doubt(unsubscribe_event="recorded")
def test_who_leaves_again_while_a_run_is_in_doubt_stays_away_though_a_person_says_again(
    shell: Shell, served: Served
) -> None:
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    served.faults("cut-before:action=multi,after=1,times=1")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none", code=5)
    leave_again(shell, "returns")
    shift_doubts(shell.journal, -3600)
    again = shell.run("resolve", "1", "--again", "--yes")
    shell.run(*again.stderr.split("leanplum-sync ")[-1].split(), "--yes", code=4)
    assert "Email" in out_of(shell, "returns")


@pytest.mark.doubt(unsubscribe_event="recorded")
def test_who_leaves_again_before_a_parked_run_is_resumed_stays_away(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    served.faults("429:action=multi,after=1")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none", code=4)
    served.faults("")
    leave_again(shell, "returns")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none", "--resume", code=4)
    assert "Email" in out_of(shell, "returns")


@pytest.mark.parametrize(
    ("is_planned", "event"),
    [
        pytest.param(False, "recorded", marks=pytest.mark.doubt(unsubscribe_event="recorded")),
        pytest.param(True, "none", marks=pytest.mark.doubt(unsubscribe_event="none")),
    ],
)
def test_a_later_consent_counts_unless_the_api_shows_that_the_user_left_after_it(
    shell: Shell, event: str, *, is_planned: bool
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    shell.run("call", "setUserAttributes", "userId=returns", "unsubscribeChannelsToAdd=Email", "--yes")
    csv = shell.folder / "specs" / "choices.csv"
    csv.write_text(ROWS.replace("yes,unsubscribed,yes,2026-03-01", "yes,unsubscribed,yes,2026-03-02"))
    planned = shell.json("plan", "--out", "b.lpplan")
    older = next(note["samples"] for note in planned["notes"] if note["code"] == "consent_older")
    assert (planned["users"]["changed"] == 1, "returns" not in older) == (is_planned, is_planned), event


@pytest.mark.doubt(unsubscribe_event="none")
@pytest.mark.parametrize("is_planned_before", [False, True])
def test_an_unsubscription_by_a_run_is_later_than_the_consent_though_the_api_shows_no_date(
    shell: Shell, *, is_planned_before: bool
) -> None:
    """Either the run comes before the plan that would re-subscribe the user, or another run comes between plan and apply."""
    csv, header = shell.folder / "specs" / "choices.csv", ROWS.splitlines()[0]
    returns = f"{header}\nleaves,yes,,,2026-03-01\n"
    leaves = f"{header}\nleaves,no,,,\n"
    if is_planned_before:
        shell.run("call", "setUserAttributes", "userId=leaves", "unsubscribeChannelsToAdd=Email", "--yes")
        csv.write_text(returns)
        shell.run("plan", "--out", "early.lpplan", "--select", ADDRESS)
        kept = csv.read_bytes()
        shell.run("call", "setUserAttributes", "userId=leaves", "unsubscribeChannelsToRemove=Email", "--yes")
    csv.write_text(leaves)
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    csv.write_text(returns)
    if is_planned_before:
        assert csv.read_bytes() == kept
        receipt = shell.json("apply", "early.lpplan", "--yes", "--verify", "none", "--recheck", "off", code=4)
        assert receipt["actions"]["conflicting"] == 1
    else:
        planned = shell.json("plan", "--out", "b.lpplan", "--select", ADDRESS)
        assert {note["code"]: note["samples"] for note in planned["notes"]}["consent_older"] == ["leaves"]
        assert planned["isEmpty"]
    assert out_of(shell, "leaves") == ["Email"]


def test_over_budget_nobody_is_re_subscribed(shell: Shell) -> None:
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(PROJECT.replace(", budget: {resubscribes: 3}", ""))
    assert "--ack resubscribes=1" in shell.run("plan", "--out", "a.lpplan", code=6).stdout
    assert "re-subscriptions of users who had unsubscribed (budget 0)" in (
        shell.run("apply", "a.lpplan", "--yes", code=6).stderr
    )
    assert out_of(shell, "returns") == ["Email"]
    shell.run("apply", "a.lpplan", "--yes", "--ack", "resubscribes=1")
    assert out_of(shell, "returns") == ["Push Notification"]


OPT_OUTS: Final = """\
apiVersion: leanplum-sync/v1
kind: Subscriptions
metadata: {name: opt-outs}
spec:
  users: {file: opt-outs.csv, id: user}
  channels: {Email: {column: email}}
"""


@pytest.mark.parametrize(
    "chosen", [("--select", ADDRESS), ("--exclude", "*/opt-outs"), ("specs/choices.yaml",)]
)
@pytest.mark.parametrize("is_query", [False, True])
def test_choosing_specs_does_not_hide_who_left_in_another(
    shell: Shell, chosen: tuple[str, ...], *, is_query: bool
) -> None:
    spec = OPT_OUTS
    if is_query:
        sqlite3.connect(shell.folder / "crm.db").close()
        spec = OPT_OUTS.replace("{file: opt-outs.csv,", "{connection: crm, query: opt-outs.sql,")
        (shell.folder / "specs" / "opt-outs.sql").write_text(
            "SELECT 'returns' AS user, 'unsubscribed' AS email"
        )
    write_files(
        shell.folder,
        {"specs/opt-outs.yaml": spec, "specs/opt-outs.csv": "user,email\nreturns,unsubscribed\n"},
    )
    failed = shell.run("plan", *chosen, "--out", "a.lpplan", code=3)
    assert "Email conflicts with Subscriptions/choices for the same user" in failed.stdout + failed.stderr
    assert not (shell.folder / "a.lpplan").exists()


def test_choosing_specs_that_agree_is_planned(shell: Shell) -> None:
    write_files(
        shell.folder,
        {"specs/opt-outs.yaml": OPT_OUTS, "specs/opt-outs.csv": "user,email\nleaves,unsubscribed\n"},
    )
    assert not shell.json("plan", "--select", ADDRESS, "--out", "a.lpplan")["isEmpty"]
    # Whoever leaves in the other spec, too, makes the plan outdated.
    (shell.folder / "specs" / "opt-outs.csv").write_text("user,email\nreturns,unsubscribed\n")
    refused = shell.run("apply", "a.lpplan", "--yes", code=7)
    assert "specs/opt-outs.csv" in refused.stderr


def test_values_for_parameters_reach_the_queries_of_specs_that_are_compared(shell: Shell) -> None:
    sqlite3.connect(shell.folder / "crm.db").close()
    spec = OPT_OUTS.replace("{file: opt-outs.csv,", "{connection: crm, query: opt-outs.sql,")
    query = "SELECT :who AS user, 'unsubscribed' AS email"
    write_files(shell.folder, {"specs/opt-outs.yaml": spec, "specs/opt-outs.sql": query})
    chosen = SPEC.replace("{file: choices.csv,", "{connection: crm, query: choices.sql,")
    rows = "SELECT :who AS user, 'yes' AS email, '' AS push, '' AS news, '2026-03-01' AS consented_at"
    write_files(shell.folder, {"specs/choices.yaml": chosen, "specs/choices.sql": rows})
    failed = shell.run("plan", "--select", ADDRESS, "--set", "who=returns", "--out", "a.lpplan", code=3)
    assert "Email conflicts with Subscriptions/choices for the same user" in failed.stdout + failed.stderr


def test_another_spec_whose_rows_cannot_be_compared_is_reported(shell: Shell) -> None:
    write_files(
        shell.folder, {"specs/opt-outs.yaml": OPT_OUTS, "specs/opt-outs.csv": "user,email\nreturns,soon\n"}
    )
    failed = shell.run("plan", "--select", ADDRESS, "--out", "a.lpplan", code=3)
    assert "specs/opt-outs.csv:2" in failed.stdout + failed.stderr


def test_undo_unsubscribes_again_but_re_subscribes_nobody(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    undone = shell.json("undo", "1")
    (note,) = [note for note in undone["notes"] if "will stay so" in note["sentence"]]
    assert note["samples"] == ["leaves", "returns"]
    shell.run("apply", ".leanplum-sync/undo-1.lpplan", "--yes")
    assert out_of(shell, "returns") == ["Push Notification", "Email"]
    assert out_of(shell, "leaves") == ["Email", "category 5"]


def test_drift_shows_who_was_re_subscribed_by_others(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none")
    drift = shell.json("drift")
    assert drift["moved"] == []
    # One stays unsubscribed, against the spec, and one does not exist.
    assert (drift["listed"], drift["inStep"]) == (5, 3)
    shell.run("call", "setUserAttributes", "userId=leaves", "unsubscribeChannelsToRemove=Email", "--yes")
    (moved,) = shell.json("drift", code=0)["moved"]
    assert (moved["resource"], moved["origin"], moved["field"], moved["samples"]) == (
        ADDRESS,
        "others",
        "Email",
        ["user:leaves"],
    )


def test_a_re_subscription_in_doubt_waits_for_a_person_if_the_user_is_not_subscribed(
    shell: Shell, served: Served
) -> None:
    only_return(shell)
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    # The first request unsubscribes, the second re-subscribes; it never arrives.
    served.faults("cut-before:action=multi,after=1,times=1")
    applied = shell.run("apply", "a.lpplan", "--yes", "--verify", "none", code=5)
    assert "resolve 1" in applied.stderr
    (held,) = shell.json("status")["held"]
    assert held["subject"] == "user:returns"
    assert held["name"].startswith("consent/Email/")
    assert (
        "Subscriptions/choices, re-subscription to Email  run 1, e.g. returns" in shell.run("status").stdout
    )
    assert out_of(shell, "returns") == ["Email"]
    planned = shell.json("plan", "--out", "b.lpplan", "--select", ADDRESS)
    assert planned["isEmpty"]
    assert "held" in {note["code"] for note in planned["notes"]}
    shift_doubts(shell.journal, -3600)
    again = shell.run("resolve", "1", "--again", "--yes")
    shell.run(*again.stderr.split("leanplum-sync ")[-1].split(), "--yes")
    assert out_of(shell, "returns") == []


@pytest.mark.doubt(unsubscribe_event="recorded")
def test_choosing_to_leave_is_sent_again_though_the_re_subscription_before_it_is_in_doubt(
    shell: Shell, served: Served
) -> None:
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    served.faults("cut-before:action=multi,after=1,times=1")
    shell.run("apply", "a.lpplan", "--yes", "--verify", "none", code=5)
    assert out_of(shell, "returns") == ["Email", "Push Notification"]
    # This unsubscription is now the user's latest, and later than the consent.
    shift_doubts(shell.journal, -3600)
    again = shell.run("resolve", "1", "--again", "--yes")
    shell.run(*again.stderr.split("leanplum-sync ")[-1].split(), "--yes", code=4)
    assert out_of(shell, "returns") == ["Email", "Push Notification"]


def test_a_lost_answer_to_a_re_subscription_is_settled_by_reading(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    served.faults("cut-after:action=multi,after=1,times=1")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "all")
    assert receipt["actions"]["done"] == 3
    assert shell.json("plan", "--out", "b.lpplan", "--select", ADDRESS)["isEmpty"]


@pytest.mark.parametrize("held_calls", range(5))
def test_a_killed_run_is_resumed_and_does_nothing_twice(
    shell: Shell, served: Served, held_calls: int
) -> None:
    """Killed with its request number *held_calls* sent but not carried out: two for reading, then the writes, then the proof."""
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"latency:seconds=86400,after={held_calls}")
    process = shell.start(
        "apply", "a.lpplan", "--yes", "--verify", "all", "--recheck", "on", "--concurrency", "1"
    )
    while not served.holds():
        if process.poll() is not None:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)
    served.faults("")
    resumed = shell.start("apply", "a.lpplan", "--yes", "--verify", "all")
    _, errors = resumed.communicate(timeout=TIMEOUT_SECONDS)
    assert resumed.returncode in (0, 5), errors
    if resumed.returncode == 5:
        shift_doubts(shell.journal, -3600)
        again = shell.run("resolve", "1", "--again", "--yes")
        shell.run(*again.stderr.split("leanplum-sync ")[-1].split(), "--yes")
    assert out_of(shell, "leaves") == ["Email", "category 5"]
    assert out_of(shell, "returns") == ["Push Notification"]
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]


def rows_in(folder: Path, form: str) -> str:
    """Write the rows in another form, and return where the spec finds them."""
    records = [
        dict(zip(ROWS.splitlines()[0].split(","), line.split(","), strict=True))
        for line in ROWS.splitlines()[1:]
    ]
    match form:
        case "ndjson":
            (folder / "specs" / "choices.ndjson").write_text(ndjson(*records))
            return "{file: choices.ndjson, id: user}"
        case "parquet":
            pq.write_table(pa.Table.from_pylist(records), folder / "specs" / "choices.parquet")
            return "{file: choices.parquet, id: user}"
        case "query":
            with sqlite3.connect(folder / "crm.db") as database:
                database.execute("CREATE TABLE choices (user, email, push, news, consented_at)")
                database.executemany(
                    "INSERT INTO choices VALUES (:user, :email, :push, :news, :consented_at)", records
                )
            (folder / "specs" / "choices.sql").write_text("SELECT * FROM choices")
            return "{connection: crm, query: choices.sql, id: user}"
        case _:
            return "{inline: " + json.dumps([{"id": each.pop("user"), **each} for each in records]) + "}"


@pytest.mark.parametrize("form", ["inline", "ndjson", "parquet", "query"])
def test_rows_of_every_source_give_the_same_plan(shell: Shell, form: str) -> None:
    expected = shell.json("plan", "--out", "a.lpplan", "--select", ADDRESS)
    users = rows_in(shell.folder, form)
    spec = shell.folder / "specs" / "choices.yaml"
    spec.write_text(SPEC.replace("{file: choices.csv, id: user}", users))
    found = shell.json("plan", "--out", "b.lpplan", "--select", ADDRESS)
    for key in ("hazards", "users", "actions"):
        assert found[key] == expected[key]


def test_a_rejected_and_a_skipped_action_are_reported(shell: Shell, served: Served) -> None:
    shell.environ |= served.every_key
    shell.run("plan", "--out", "a.lpplan")
    shell.run("call", "deleteUser", "userId=leaves", "--yes")
    served.faults("success-and-error:action=setUserAttributes,user=returns,times=1")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "none", "--recheck", "off", code=4)
    # What follows for a user whose first action was rejected is not sent.
    assert {fate: count for fate, count in receipt["actions"].items() if count} == {
        "rejected": 2,
        "not sent": 2,
    }
    assert "Email" in out_of(shell, "returns")


def test_a_rejected_re_subscription_is_listed_and_not_held(shell: Shell, served: Served) -> None:
    only_return(shell)
    shell.run("plan", "--out", "a.lpplan", "--select", ADDRESS)
    served.faults("success-and-error:action=setUserAttributes,user=returns,times=1")
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "none", code=4)
    assert receipt["actions"]["rejected"] == 1
    (rejected,) = (shell.folder / ".leanplum-sync").glob("run-1.rejected.Subscriptions-choices.csv")
    assert [line.split(",")[0] for line in rejected.read_text().splitlines()[1:]] == ["returns"]
    assert shell.json("status")["held"] == []
    # The API carried it out, whatever it answered.
    assert shell.json("plan", "--out", "b.lpplan", "--select", ADDRESS)["isEmpty"]


@pytest.mark.parametrize("cell", ["", "soon", "2999-01-01", "1970-01-01"])
def test_without_a_dated_consent_nothing_is_planned(shell: Shell, cell: str) -> None:
    csv = shell.folder / "specs" / "choices.csv"
    csv.write_text(ROWS.replace("yes,unsubscribed,yes,2026-03-01", f"yes,unsubscribed,yes,{cell}"))
    failed = shell.run("validate", code=3)
    shown = failed.stdout + failed.stderr
    assert "specs/choices.csv:3: Subscriptions/choices" in shown
    assert "consent" in shown
    assert not cell or cell not in shown
    shell.run("plan", "--out", "a.lpplan", code=3)
    assert not (shell.folder / "a.lpplan").exists()
