"""An app that is being moved to CleverTap: planned for with consent, left alone once it has moved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from files import ndjson
from shell import Command

from leanplum_sync import emulator

_USERS = 60
_PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  defaultEnvironment: live
  environments:
    live: {appId: app_emulator, limits: {requestsPerSecond: 1000, concurrency: 1}}
"""
_SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tier}
spec:
  users: {file: users.csv, id: id}
  attributes: {tier: gold}
"""

Run = Callable[..., Any]


@pytest.fixture
def app(tmp_path: Path, command: Command) -> Iterator[Callable[..., tuple[str, Run]]]:
    """Start an emulator in a state of migration; give its URL, and what runs a command against it."""
    shop = tmp_path / "shop"
    (shop / "specs").mkdir(parents=True)
    (shop / "leanplum-sync.yaml").write_text(_PROJECT)
    (shop / "specs" / "tier.yaml").write_text(_SPEC)
    ids = [f"u{number:02}" for number in range(_USERS)]
    (shop / "specs" / "users.csv").write_text("id\n" + "".join(f"{each}\n" for each in ids))
    seed = tmp_path / "users.ndjson"
    seed.write_text(ndjson(*({"userId": each} for each in ids)))
    with ExitStack() as stack:

        def start(state: str = "NONE", *, keys: tuple[str, ...] = tuple(emulator.KEYS)) -> tuple[str, Run]:
            switches = emulator.Switches(migrate_state=state)  # type: ignore[arg-type]  # one of the three
            url = stack.enter_context(emulator.running(seeds=[seed], switches=switches)).url
            variables = {f"LEANPLUM_{name.upper()}_KEY": emulator.KEYS[name] for name in keys}
            variables["LEANPLUM_API_URL"] = url

            def run(*arguments: str, code: int = 0) -> Any:
                done = command(*arguments, variables=variables)
                assert done.returncode == code, done.stdout + done.stderr
                return done

            return url, run

        yield start


def _writes(url: str) -> int:
    return int(requests.get(f"{url}/_emulator/counts", timeout=300).json()["writes"])


def test_while_an_app_is_copied_each_changed_user_needs_consent(app: Callable[..., tuple[str, Run]]) -> None:
    url, run = app("EVENTS_UPLOAD_STARTED")
    plan = json.loads(run("plan", "--out", "a.lpplan", "-o", "json", code=6).stdout)
    (over,) = [hazard for hazard in plan["hazards"] if hazard["isOver"]]
    assert (over["name"], over["count"]) == ("duringMigration", _USERS)
    run("apply", "a.lpplan", "--yes", code=6)
    assert _writes(url) == 0
    run("apply", "a.lpplan", "--yes", f"--ack=duringMigration={_USERS}")
    assert _writes(url) == _USERS


def test_an_app_that_has_moved_is_neither_planned_for_nor_written_to(
    app: Callable[..., tuple[str, Run]],
) -> None:
    _, run = app()
    run("plan", "--out", "a.lpplan")
    url, moved = app("SDK_TRAFFIC_STOPPED")
    assert "has moved to CleverTap" in moved("plan", "--out", "b.lpplan", code=7).stderr
    assert "has moved to CleverTap" in moved("apply", "a.lpplan", "--yes", code=7).stderr
    assert _writes(url) == 0


def test_a_plan_made_before_the_migration_began_is_not_applied(app: Callable[..., tuple[str, Run]]) -> None:
    _, run = app()
    run("plan", "--out", "a.lpplan")
    url, later = app("EVENTS_UPLOAD_STARTED")
    assert "Plan again" in later("apply", "a.lpplan", "--yes", code=7).stderr
    assert _writes(url) == 0


def test_a_run_stops_cleanly_when_a_migration_begins_meanwhile(app: Callable[..., tuple[str, Run]]) -> None:
    url, run = app()
    run("plan", "--out", "a.lpplan")
    requests.post(f"{url}/_emulator/faults", data="migrated:action=setUserAttributes,times=1", timeout=300)
    stopped = run("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none", code=7)
    assert "started or moved on" in stopped.stderr
    assert _writes(url) == 50, "the batch whose answer told of it is recorded, and no other is sent"
    run("apply", "a.lpplan", "--yes", "--resume", "--recheck", "off")
    assert _writes(url) == _USERS


def test_planning_asks_with_the_keys_at_hand_and_needs_none_more(app: Callable[..., tuple[str, Run]]) -> None:
    _, run = app("SDK_TRAFFIC_STOPPED", keys=("data_export",))
    run("plan", "--out", "a.lpplan")
    _, run = app("SDK_TRAFFIC_STOPPED", keys=("data_export", "development"))
    run("plan", "--out", "a.lpplan", code=7)


@pytest.mark.parametrize(
    ("state", "level", "code"),
    [("NONE", "ok", 0), ("EVENTS_UPLOAD_STARTED", "note", 0), ("SDK_TRAFFIC_STOPPED", "bad", 7)],
)
def test_doctor_tells_how_far_the_migration_has_come(
    app: Callable[..., tuple[str, Run]], state: str, level: str, code: int
) -> None:
    _, run = app(state)
    findings = json.loads(run("doctor", "-o", "json", code=code).stdout)["findings"]
    assert [each["level"] for each in findings if each["about"] == "migration"] == [level]
