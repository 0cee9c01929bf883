"""What a command says while it runs, with ``-o ndjson``; and what stands where documents were asked for when it fails."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from document_schemas import check, check_document
from shell import TIMEOUT_SECONDS, Serve, Shell
from waiting import lines_until, wait_for

PLAN = "a.lpplan"
FORMATS = ("json", "markdown", "html", "junit")


def read(text: str) -> list[dict[str, Any]]:
    """Return the events in *text*, each as its schema has it; a last line that was cut off is none."""
    events = [json.loads(line) for line in text.split("\n")[:-1]]
    for event in events:
        check("event", event)
        if event["event"] == "end":
            check_document(json.dumps(event["document"]))
    return events


def whole(text: str, code: int) -> list[dict[str, Any]]:
    """Return the events of a command that ended by itself: one start, one end with its exit code, and no word between."""
    events = read(text)
    names = [event["event"] for event in events]
    assert (names[0], names[-1], names.count("start"), names.count("end")) == ("start", "end", 1, 1)
    assert events[-1]["exit"] == code
    assert text.endswith("\n")
    return events


@pytest.fixture
def shop(tmp_path: Path, serve: Serve) -> Shell:
    """A new project, and an app beside it."""
    Shell(tmp_path).run("init", "shop")
    folder = tmp_path / "shop"
    served = serve(seeds=[folder / "seed" / "users.ndjson"])
    return Shell(folder, {**served.environ, "LEANPLUM_SYNC_ENVIRONMENT": "production"})


def kinds(events: Sequence[dict[str, Any]]) -> set[str]:
    return {event["event"] for event in events}


def test_each_running_verb_tells_what_happens_and_ends_with_its_document(shop: Shell) -> None:
    for verb, document, others in (
        (["validate"], "problems", {"progress"}),
        (["plan", "--out", PLAN], "plan-summary", {"progress"}),
        (["apply", PLAN, "--yes"], "receipt", {"progress", "run", "batch"}),
        (["pull", "--out", "a.ndjson"], "pull", {"progress"}),
        (["drift"], "drift", {"progress"}),
    ):
        events = whole(shop.run(*verb, "-o", "ndjson").stdout, 0)
        assert events[0]["command"] == verb[0]
        assert kinds(events) == {"start", "end", *others}
        assert events[-1]["document"]["format"] == f"leanplum-sync/{document}"


def test_a_run_tells_the_same_as_its_log_and_its_receipt(shop: Shell) -> None:
    shop.run("plan", "--out", PLAN)
    events = whole(shop.run("apply", PLAN, "--yes", "-o", "ndjson", "-o", "json=receipt.json").stdout, 0)
    assert events[-1]["document"] == json.loads((shop.folder / "receipt.json").read_text())
    logged = read((shop.folder / ".leanplum-sync" / "run-1.events.ndjson").read_text())
    told = [event for event in events if event["event"] in ("run", "batch")]
    assert [{**event, "at": 0} for event in told] == [{**event, "at": 0} for event in logged]
    [progress] = [event for event in events if event.get("what") == "Applying" and event["done"]]
    assert (progress["done"], progress["total"], progress["unit"]) == (1, 1, "batch")


def test_a_command_that_fails_tells_it_in_its_last_line(shop: Shell) -> None:
    shop.run("plan", "--out", PLAN)
    keys = {name: value for name, value in shop.environ.items() if not name.endswith("_KEY")}
    shop.environ = keys
    for arguments, code, document in (
        (["plan"], 9, "error"),
        (["apply", PLAN, "--yes"], 9, "error"),
        (["apply", "no.lpplan", "--yes"], 7, "error"),
        (["apply", PLAN, "--yes", "--wrong"], 64, "error"),
        (["pull"], 64, "error"),
        (["plan", "-e", "nowhere"], 64, "error"),
    ):
        ended = shop.run(*arguments, "-o", "ndjson", code=code)
        events = whole(ended.stdout, code)
        assert events[-1]["document"]["format"] == f"leanplum-sync/{document}"
        assert events[-1]["document"]["message"] in ended.stderr


def test_specs_that_are_wrong_are_told_as_problems(shop: Shell) -> None:
    spec = shop.folder / "specs" / "loyalty.yaml"
    spec.write_text(spec.read_text().replace("attributes:", "atributes:"))
    for verb in ("plan", "drift"):
        events = whole(shop.run(verb, "-o", "ndjson", code=3).stdout, 3)
        assert events[-1]["document"]["problems"][0]["place"]["file"] == "specs/loyalty.yaml"
        assert shop.json(verb, code=3)["format"] == "leanplum-sync/problems"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_of_a_run_that_is_stopped_every_whole_line_parses(
    number: signal.Signals, shop: Shell, serve: Serve
) -> None:
    served = serve(seeds=[shop.folder / "seed" / "users.ndjson"])
    served.hold("multi")
    shop.environ |= served.environ
    shop.run("plan", "--out", PLAN)
    process = shop.start("apply", PLAN, "--yes", "-o", "ndjson")
    assert process.stdout is not None
    told = ""
    while '"to":"sent"' not in told:
        told += process.stdout.readline()
    wait_for(served.holds)
    process.send_signal(number)
    if number is signal.SIGTERM:
        assert process.stderr is not None
        lines_until(process.stderr, "in flight complete")
    served.release()
    out, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    if number is signal.SIGKILL:
        assert kinds(read(told + out)) == {"start", "run", "batch", "progress"}
    else:
        end = whole(told + out, 143)[-1]
        assert end["document"]["stopped"] == "interrupted"


def test_a_document_of_an_earlier_run_is_never_taken_for_this_ones(shop: Shell) -> None:
    files = [f"-o{name}=out/{name}" for name in FORMATS]
    shop.run("plan", "--out", PLAN)
    shop.run("apply", PLAN, "--yes", *files, "-o", "text=out/text")
    before = {name: (shop.folder / "out" / name).read_text() for name in FORMATS}
    shop.environ = {}
    ended = shop.run("apply", PLAN, "--yes", *files, "-o", "text=out/text", code=9)
    assert ended.stdout == ""
    after = {name: (shop.folder / "out" / name).read_text() for name in FORMATS}
    assert check_document(after["json"])["exit"] == 9
    assert "apply exited with code 9" in after["markdown"]
    assert "apply exited with code 9" in after["html"]
    assert ET.fromstring(after["junit"])[0].attrib["errors"] == "1"
    assert all(before[name] != after[name] for name in FORMATS)
    assert not (shop.folder / "out" / "text").exists()


def test_a_variable_asks_for_the_document_of_a_failure_too(shop: Shell) -> None:
    shop.environ["LEANPLUM_SYNC_PLAN_OUTPUT"] = "json"
    assert check_document(shop.run("plan", "--wrong", code=64).stdout)["exit"] == 64
    shop.environ["LEANPLUM_SYNC_JOURNAL_LIST_OUTPUT"] = "json"
    assert check_document(shop.run("journal", "list", "--wrong", code=64).stdout)["command"] == "journal list"


def test_a_part_of_a_plan_with_nobody_in_it_has_a_receipt(shop: Shell) -> None:
    shop.run("plan", "--out", PLAN, "--parts", "16")
    found = [shop.json("apply", PLAN, "--yes", "--shard", f"{part}/16") for part in range(1, 17)]
    assert {each["format"] for each in found} == {"leanplum-sync/receipt"}
    nobodys = [each for each in found if not each["planned"]]
    assert nobodys
    assert all(each["complete"] and each["run"] == 0 for each in nobodys)


def test_events_that_can_not_be_written_stop_no_run(shop: Shell) -> None:
    shop.run("plan", "--out", PLAN)
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [*shop.command, "apply", PLAN, "--yes", "-o", "ndjson"],
            cwd=shop.folder, env=shop.variables, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert (process.returncode, "No space left" in process.stderr) == (74, True)
    assert shop.json("journal", "list")["runs"][0]["state"] == "finished"
