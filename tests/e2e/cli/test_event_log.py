"""The log of a run: everything that happened, and nothing of anybody's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from document_schemas import check
from shell import Command

from leanplum_sync.journal.entry import BatchState
from leanplum_sync.journal.states import TRANSITIONS

PLAN = ".leanplum-sync/sandbox.lpplan"


def events(shop: Path, run: int = 1) -> list[dict[str, Any]]:
    text = (shop / ".leanplum-sync" / f"run-{run}.events.ndjson").read_text()
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        check("event", event)
    return found


def test_every_batch_is_followed_from_planned_to_done(shop: Path, command: Command) -> None:
    command("plan")
    receipt = json.loads(command("apply", PLAN, "--yes", "-o", "json").stdout)
    found = events(shop)
    assert (found[0]["event"], found[0]["state"], found[0]["found"]) == ("run", "running", None)
    assert (found[-1]["event"], found[-1]["state"]) == ("run", "finished")
    steps = [event for event in found if event["event"] == "batch"]
    states: dict[int, str] = {}
    for step in steps:
        assert step["from"] == states.get(step["batch"], "planned")
        assert BatchState(step["to"]) in TRANSITIONS[BatchState(step["from"])]
        states[step["batch"]] = step["to"]
    assert set(states.values()) == {"done"}
    assert sum(step["fates"].get("done", 0) for step in steps) == receipt["actions"]["done"]
    assert [event["at"] for event in found] == sorted(event["at"] for event in found)


def test_a_resumed_run_goes_on_in_its_log(shop: Path, command: Command) -> None:
    command("plan")
    command("apply", PLAN, "--yes", "--canary", "2")
    first = events(shop)
    assert first[-1]["state"] == "interrupted"
    command("apply", PLAN, "--yes", "--resume")
    found = events(shop)
    assert found[: len(first)] == first
    assert found[len(first)]["found"] == "interrupted"
    assert found[-1]["state"] == "finished"


def test_nobodys_id_and_no_value_is_in_the_log(shop: Path, command: Command) -> None:
    command("plan")
    command("apply", PLAN, "--yes")
    text = (shop / ".leanplum-sync" / "run-1.events.ndjson").read_text()
    assert "00001" not in text
    keys = {key for event in events(shop) for key in event}
    assert keys == {
        "at", "run", "event", "state", "mark", "found", "journal", "app", "plan",
        "batch", "wave", "class", "from", "to", "actions", "onTheirWay", "open", "fates", "reads",
    }  # fmt: skip


def test_a_log_that_can_not_be_written_stops_no_run(shop: Path, command: Command) -> None:
    command("plan")
    (shop / ".leanplum-sync" / "run-1.events.ndjson").mkdir()
    done = command("apply", PLAN, "--yes")
    assert done.returncode == 0
    assert done.stderr.count("The run's log can't be written") == 1
