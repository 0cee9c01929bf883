"""Notification channels from the spec to the proof: fixed fields, the default channel, and channels that no spec names."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any, Final

import brief_waits
import pytest
from files import write_files
from journals import shift_doubts
from shell import TIMEOUT_SECONDS, Serve, Served, Shell

from leanplum_sync import emulator

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, writes: development, budget: {replaced: 1, removed: 1}, limits: {requestsPerSecond: 1000}}
"""
HEAD: Final = (
    "apiVersion: leanplum-sync/v1\nkind: NotificationChannels\nmetadata: {name: app}\nspec:\n  channels:\n"
)
SPEC: Final = (
    HEAD
    + """\
    orders: {name: Your orders, description: What happens to them, default: true}
    promo: {name: Promotions, importance: 4, enableLights: false}
    news: {name: News, importance: 2, vibrationPattern: [0, 250], replace: true}
    chat: {name: Chat, groupId: talk, showBadge: true}
    old: {state: absent}
    neverThere: {state: absent}
"""
)
BEFORE: Final[dict[str, Any]] = {
    "orders": {"name": "Orders", "importance": 3, "default": False},
    "promo": {"name": "Promotions", "importance": 4, "default": False},
    "news": {"name": "News", "importance": 3, "sound": "content://chime", "default": False},
    "old": {"name": "Old", "importance": 1, "default": False},
    "other": {"name": "Other", "importance": 1, "default": True},
}
AFTER: Final[dict[str, Any]] = {
    "orders": {
        "name": "Your orders",
        "description": "What happens to them",
        "importance": 3,
        "default": True,
    },
    "promo": {"name": "Promotions", "importance": 4, "default": False},
    "news": {
        "name": "News",
        "importance": 2,
        "sound": "content://chime",
        "vibrationPattern": [0, 250],
        "default": False,
    },
    "chat": {"name": "Chat", "importance": 3, "groupId": "talk", "showBadge": True, "default": False},
    "other": {"name": "Other", "importance": 1, "default": False},
}
ADD: Final = "addAndroidNotificationChannel"
DELETE: Final = "deleteAndroidNotificationChannel"
READ: Final = "getAndroidNotificationChannels"
APPLY: Final = ("apply", "a.lpplan", "--yes")


def seeds(channels: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"androidNotificationChannel": {"id": channel, **value}} for channel, value in channels.items()]


def call(served: Served, action: str, key: str, **arguments: Any) -> Any:
    """Call the API as somebody else would."""
    body = {"appId": emulator.APP_ID, "clientKey": emulator.KEYS[key], "apiVersion": "1.0.6", **arguments}
    url = f"{served.url}/api?action={action}"
    with urllib.request.urlopen(url, data=json.dumps(body).encode()) as answer:
        return json.load(answer)["response"][0]


def channels(served: Served) -> dict[str, Any]:
    found = call(served, READ, "production")["notificationChannels"]
    return {each["id"]: {name: each[name] for name in each if name != "id"} for each in found}


def requests(served: Served, action: str) -> int:
    return int(served.counts()["requests"]["byAction"].get(action, 0))


def project(tmp_path: Path, served: Served, spec: str = SPEC) -> Shell:
    write_files(tmp_path / "shop", {"leanplum-sync.yaml": PROJECT, "specs/app.yaml": spec})
    # A job that has only the development key, and the one that reads channels.
    environ = {
        **served.every_key,
        brief_waits.VARIABLE: "1",
        "LEANPLUM_CONTENT_READ_ONLY_KEY": "",
        "LEANPLUM_DATA_EXPORT_KEY": "",
    }
    return Shell(tmp_path / "shop", environ)


def write_spec(shell: Shell, text: str) -> None:
    (shell.folder / "specs" / "app.yaml").write_text(HEAD + text)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*seeds(BEFORE))


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    return project(tmp_path, served)


def test_a_walk_from_the_spec_to_the_proof(shell: Shell, served: Served) -> None:
    assert "Valid: 1 spec, 6 notification channels. Checked offline." in shell.run("validate").stdout
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["things"] == {"listed": 6, "changed": 4, "tested": []}
    assert {hazard["name"]: hazard["count"] for hazard in planned["hazards"]} == {"replaced": 1, "removed": 1}
    assert (planned["cost"]["writes"], planned["batches"]) == (0, 5)
    for output in ("text", "json", "markdown", "html"):
        shown = shell.run("show", "a.lpplan", "-o", output).stdout
        assert "groupId" in shown
        assert "Old" in shown if output == "json" else "default: false" in shown
    text = shell.run("show", "a.lpplan").stdout
    assert "4 of 6 listed notification channels would change" in text
    assert "importance: 3 → 2" in text

    explained = shell.json("explain", "a.lpplan", "channel:orders")
    assert explained["decisions"][0]["desired"]["name"] == "Your orders"
    assert "specs/app.yaml:6" in shell.run("explain", "a.lpplan", "channel:orders").stdout
    assert "already as desired" in shell.run("explain", "a.lpplan", "channel:promo").stdout

    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] == 5
    assert (receipt["verification"]["checked"], receipt["verification"]["equal"]) == (4, 4)
    assert channels(served) == AFTER
    assert (requests(served, ADD), requests(served, DELETE), requests(served, "multi")) == (3, 2, 0)

    second = shell.run("plan", "--out", "b.lpplan").stdout
    assert "No changes: 6 listed notification channels match the specs." in second
    assert "No drift detected." in shell.run("drift").stdout


def test_a_fixed_field_stays_unless_the_spec_replaces_the_channel(shell: Shell, served: Served) -> None:
    write_spec(shell, "    promo: {name: New name, importance: 5}\n")
    planned = shell.json("plan", "--out", "a.lpplan")
    assert planned["isEmpty"]
    (note,) = planned["notes"]
    assert (note["code"], note["samples"]) == ("fixed", ["promo"])
    assert "`replace: true`" in note["sentence"]
    text = shell.run("show", "a.lpplan").stdout
    assert "1 notification channel has another value in a fixed field" in " ".join(text.split())
    explained = shell.run("explain", "a.lpplan", "channel:promo").stdout
    assert "already as desired" not in explained
    write_spec(shell, "    promo: {name: New name, importance: 5, replace: true}\n")
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    assert channels(served)["promo"] == {"name": "New name", "importance": 5, "default": False}


@pytest.mark.parametrize("budget", ["replaced", "removed"])
def test_what_deletes_a_channel_needs_consent(shell: Shell, served: Served, budget: str) -> None:
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(PROJECT.replace(f"{budget}: 1", f"{budget}: 0"))
    shell.run("plan", "--out", "a.lpplan", code=6)
    shell.run(*APPLY, code=6)
    assert channels(served) == BEFORE
    shell.run(*APPLY, "--ack", f"{budget}=1")
    assert channels(served) == AFTER


def test_the_default_channel_is_deleted_once_another_one_is_the_default(shell: Shell, served: Served) -> None:
    spec = "    orders: {name: Orders, default: true}\n    other: {state: absent}\n"
    write_spec(shell, spec)
    planned = shell.json("plan", "--out", "a.lpplan")
    (note,) = planned["notes"]
    assert (note["code"], note["samples"], planned["things"]["changed"]) == ("is_default", ["other"], 1)
    assert "first give `default: true` to another one" in note["sentence"]
    shell.run(*APPLY)
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    assert "other" not in channels(served)
    assert shell.json("plan")["isEmpty"]


def test_the_last_channel_is_deleted_although_it_is_the_default(tmp_path: Path, serve: Serve) -> None:
    served = serve(*seeds({"only": {"name": "Only", "importance": 3, "default": True}}))
    shell = project(tmp_path, served, HEAD + "    only: {state: absent}\n")
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    assert channels(served) == {}


def test_what_others_changed_is_drift_and_undo_leaves_it(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    assert "No drift detected." in shell.run("drift").stdout
    call(served, ADD, "development", id="chat", name="Somebody's", importance=3)
    call(served, ADD, "development", id="old", name="Old", importance=1)
    drift = shell.json("drift")
    assert {(each["field"], each["origin"]) for each in drift["moved"]} == {
        ("chat", "others"),
        ("old", "others"),
    }
    text = shell.run("drift").stdout
    assert "4 of 6 listed notification channels match the specs" in text


def test_undo_restores_each_channel_but_the_default(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run(*APPLY)
    undone = shell.json("undo", "1", "--out", "u.lpplan")
    assert [note["samples"] for note in undone["notes"]] == [["orders"]]
    assert "became the default channel" in undone["notes"][0]["sentence"]
    shell.run("apply", "u.lpplan", "--yes")
    after = channels(served)
    assert {name: after[name] for name in ("news", "old", "promo")} == {
        name: BEFORE[name] for name in ("news", "old", "promo")
    }
    assert "chat" not in after


@pytest.mark.parametrize("recheck", ["auto", "on", "off"])
def test_a_channel_that_changed_after_the_plan_is_not_overwritten(
    shell: Shell, served: Served, recheck: str
) -> None:
    shell.run("plan", "--out", "a.lpplan")
    call(served, ADD, "development", id="orders", name="Somebody's", importance=3)
    call(served, ADD, "development", id="old", name="Somebody's", importance=1)
    receipt = shell.json(*APPLY, "--recheck", recheck, "--verify", "none", code=4)
    assert {each["subject"] for each in receipt["exceptions"]} == {"channel:orders", "channel:old"}
    assert channels(served)["old"]["name"] == channels(served)["orders"]["name"] == "Somebody's"


@pytest.mark.parametrize("action", [ADD, DELETE])
@pytest.mark.parametrize("fault", ["cut-before", "cut-after", "truncated", "html"])
def test_a_lost_response_is_settled_by_reading(shell: Shell, served: Served, fault: str, action: str) -> None:
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"{fault}:action={action},times=1")
    shell.run(*APPLY, "--verify", "all")
    assert channels(served) == AFTER
    assert shell.json("plan", "--out", "b.lpplan")["isEmpty"]


def test_a_channel_that_could_not_be_deleted_is_not_created_again(shell: Shell, served: Served) -> None:
    write_spec(shell, "    news: {name: News, importance: 2, replace: true}\n")
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"status:status=400,action={DELETE},times=1,text=No")
    receipt = shell.json(*APPLY, "--verify", "none", code=4)
    assert (receipt["actions"]["rejected"], requests(served, ADD)) == (1, 0)
    served.faults("")
    assert channels(served) == BEFORE
    planned = shell.run("plan", "--out", "b.lpplan").stdout
    assert "has a change that the API rejected before" in " ".join(planned.split())
    shell.run("apply", "b.lpplan", "--yes", "--retry-rejected")
    assert channels(served)["news"]["importance"] == 2


def test_a_skipped_write_is_no_success(shell: Shell, served: Served) -> None:
    write_spec(shell, "    orders: {name: Your orders}\n")
    shell.run("plan", "--out", "a.lpplan")
    served.faults(f"skipped:action={ADD},times=1")
    receipt = shell.json(*APPLY, "--verify", "none", code=4)
    assert (receipt["actions"]["done"], receipt["actions"]["skipped"]) == (0, 1)
    assert channels(served) == BEFORE


def test_without_the_key_to_read_channels_nothing_is_sent(shell: Shell, served: Served) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.environ["LEANPLUM_PRODUCTION_KEY"] = ""
    for arguments in (APPLY, ("plan", "--out", "b.lpplan")):
        assert "LEANPLUM_PRODUCTION_KEY is not set" in shell.run(*arguments, code=9).stderr
    assert channels(served) == BEFORE


@pytest.mark.parametrize("held_calls", range(5))
def test_a_killed_run_goes_on_where_it_was(shell: Shell, served: Served, held_calls: int) -> None:
    shell.run("plan", "--out", "a.lpplan")
    action, after = (DELETE, held_calls) if held_calls < 2 else (ADD, held_calls - 2)
    served.hold(action, after=after)
    process = shell.start(*APPLY, "--verify", "none")
    while not served.holds() and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=TIMEOUT_SECONDS)
    served.release()
    shift_doubts(shell.journal, -3600)
    receipt = shell.json(*APPLY, "--verify", "all")
    assert receipt["actions"]["done"] == 5
    assert channels(served) == AFTER


def test_ten_mistakes_are_reported_in_one_run(shell: Shell) -> None:
    write_spec(
        shell,
        """\
    a: {importance: 3}
    b: {name: ""}
    c: {name: x, importance: 9}
    d: {name: x, lightColor: red}
    e: {name: x, default: false}
    f: {state: absent, name: x}
    " g": {name: x}
    h: {name: x, vibrationPattern: [-1]}
    i: {name: x, lockscreenVisibility: 7}
    j: {name: x, impotrance: 3}
    k: {name: x, lightColor: 99999999999}
    l: {name: 3}
    m: {name: x, enableLights: "yes"}
""",
    )
    problems = shell.json("validate", code=3)["problems"]
    assert {problem["place"]["line"] for problem in problems} >= set(range(6, 19)), problems


def test_two_channels_cant_both_be_the_default(shell: Shell) -> None:
    write_spec(shell, "    a: {name: A, default: true}\n    b: {name: B, default: true}\n")
    (problem,) = shell.json("validate", code=3)["problems"]
    assert "default" in problem["message"]
    assert problem["place"]["line"] == 7


@pytest.mark.parametrize("spec", ["", "  channels:\n", "  channels: {}\n"])
def test_a_file_without_channels_is_a_problem_and_never_a_deletion(
    shell: Shell, served: Served, spec: str
) -> None:
    (shell.folder / "specs" / "app.yaml").write_text(HEAD.replace("  channels:\n", spec))
    shell.run("validate", code=3)
    shell.run("plan", "--out", "a.lpplan", code=3)
    assert channels(served) == BEFORE


def test_two_documents_that_disagree_name_both_lines(shell: Shell) -> None:
    other = HEAD.replace("name: app", "name: other")
    (shell.folder / "specs" / "z.yaml").write_text(f"{other}    orders: {{name: Else}}\n")
    (found,) = shell.json("validate", code=3)["problems"]
    assert (found["place"]["line"], found["also"]["line"]) == (6, 6)
