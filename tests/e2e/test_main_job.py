"""The main job through the installed command: plan, apply, proof, and what must never happen twice."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import doubts
import pytest
from files import keep_first_rows
from shell import ROOT, Example, Serve, Served, Shell
from waiting import wait_for

from leanplum_sync import emulator
from leanplum_sync.wire.limits import ACTIONS_PER_BATCH, USERS_PER_BATCH


@pytest.mark.claim("plan-cost")
def test_the_receipts_numbers_are_the_plans_and_the_emulators(example: Example, serve: Serve) -> None:
    shell = example("loyalty-migration")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    plan = shell.json("plan", "--out", "a.lpplan")
    before = served.counts()
    assert before["billableLookups"]["reads"] == plan["cost"]["reads"] > 0
    receipt = shell.json("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none")
    after = served.counts()
    assert after["requests"]["byAction"]["multi"] == receipt["requests"] == plan["batches"]
    assert receipt["planned"] == receipt["actions"]["done"] == plan["actions"]
    assert sum(receipt["actions"].values()) == receipt["planned"]
    written = after["billableLookups"]["writes"] - before["billableLookups"]["writes"]
    assert written == receipt["billableLookups"] == plan["cost"]["writes"]
    assert after["overlaps"]["times"] == 0
    assert plan["cost"]["oneByOne"] >= plan["actions"]


@pytest.mark.sampled
def test_planning_again_finds_nothing_and_applying_again_sends_nothing(
    example: Example, serve: Serve
) -> None:
    shell = example("loyalty-migration")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    sent = served.counts()["writes"]
    shell.run("apply", "a.lpplan", "--yes")
    assert served.counts()["writes"] == sent
    assert shell.json("plan", "--out", "b.lpplan", "--detailed-exitcode")["actions"] == 0


def test_planning_works_with_the_two_read_keys_alone_and_writes_nothing(
    example: Example, serve: Serve
) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    shell.environ = served.read_only
    shell.run("plan", "--out", "a.lpplan", "--detailed-exitcode", code=2)
    assert served.counts()["writes"] == 0
    refused = shell.run("apply", "a.lpplan", "--yes", "--new-journal", code=9)
    assert "LEANPLUM_PRODUCTION_KEY" in refused.stderr
    assert served.counts()["writes"] == 0


def batches_sent(shell: Shell) -> int:
    """How many batches the journal says were begun: read while the run goes on."""
    try:
        with sqlite3.connect(f"file:{shell.journal}?mode=ro", uri=True, timeout=5) as journal:
            (count,) = journal.execute("SELECT count(*) FROM batch").fetchone()
        journal.close()
    except sqlite3.Error:
        return 0
    return int(count)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shell, Path]:
    """The loyalty example with its plan, and the state of the emulator it was planned against: to be copied."""
    shell = Shell(tmp_path_factory.mktemp("planned") / "loyalty")
    shutil.copytree(
        ROOT / "examples" / "loyalty-migration", shell.folder, ignore=shutil.ignore_patterns(".leanplum-sync")
    )
    keep_first_rows(shell.folder / "data" / "customers.csv", 800)  # 12 batches
    state = shell.folder.parent / "emulator.db"
    # The plan has increments, as long as whole numbers are read back as such.
    switches = replace(doubts.current(), integers="kept")
    with emulator.running(seeds=shell.seeds, state=state, switches=switches) as running:
        shell.go_live(Served(running.url))
        shell.run("plan", "--out", "a.lpplan")
    return shell, state


def test_batches_are_the_fewest_that_the_limits_allow(planned: tuple[Shell, Path]) -> None:
    with sqlite3.connect(planned[0].folder / "a.lpplan") as plan:
        phases = plan.execute(
            "SELECT wave, class, count(*), sum(actions), sum(subjects), max(subjects), max(actions) FROM batch GROUP BY wave, class"
        ).fetchall()
    plan.close()
    for _, _, batches, actions, subjects, most_subjects, most_actions in phases:
        assert batches == max(-(-subjects // USERS_PER_BATCH), -(-actions // ACTIONS_PER_BATCH))
        assert most_subjects <= USERS_PER_BATCH
        assert most_actions <= ACTIONS_PER_BATCH


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [0, 2, 5, 8, 10, *(pytest.param(more, marks=pytest.mark.campaign) for more in (1, 3, 4, 6, 7, 9))],
)
@pytest.mark.doubt(integers="kept")
def test_a_run_killed_at_any_moment_resumes_to_the_end(
    moment: int, planned: tuple[Shell, Path], tmp_path: Path, serve: Serve
) -> None:
    shell = Shell(Path(shutil.copytree(planned[0].folder, tmp_path / "loyalty")))
    served = serve(state=Path(shutil.copy(planned[1], tmp_path / "emulator.db")))
    shell.environ = served.environ
    served.hold("multi", after=moment)
    process = shell.start("apply", "a.lpplan", "--yes", "--recheck", "off", "--concurrency", "2")
    wait_for(lambda: served.holds() or process.poll() is not None)
    process.kill()
    served.release()
    out, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, f"the run ended before it could be killed\n{out}\n{err}"
    shell.run("apply", "a.lpplan", "--yes", "--resume", "--recheck", "off", "--verify", "none")
    assert shell.json("plan", "--out", "b.lpplan", "--detailed-exitcode")["actions"] == 0
    increments = served.counts()["increments"]
    assert len(increments) == 3
    assert all(count == 1 for attributes in increments.values() for count in attributes.values())


@pytest.mark.slow
def test_a_send_killed_on_its_way_is_made_once_or_held(example: Example, serve: Serve) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")
    process = shell.start("apply", "a.lpplan", "--yes")
    while batches_sent(shell) < 1 and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.communicate()
    resumed = shell.start("apply", "a.lpplan", "--yes", "--resume")
    out, err = resumed.communicate(timeout=300)
    assert resumed.returncode in (0, 5), out + err
    assert set(served.sends().values()) <= {1}
    if resumed.returncode == 0:
        assert served.counts()["effects"]["sendMessage"] == 39


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [{"fault": kind} for kind in ("cut-after", "truncated", "short", "html", "cut-before")]
    + [{"fault": "status", "when": "after"}],
    ids=lambda fault: fault["fault"],
)
def test_a_send_without_a_trustworthy_answer_is_held_and_never_repeated(
    fault: dict[str, Any], example: Example, serve: Serve
) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds, faults=[{**fault, "action": "sendMessage", "times": 1}])
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")
    receipt = shell.json("apply", "a.lpplan", "--yes", code=5)
    assert receipt["actions"]["held"] == receipt["planned"] == 39
    sent = served.counts()["effects"].get("sendMessage", 0)
    assert sent == (0 if fault["fault"] == "cut-before" else 39)
    shell.run("apply", "a.lpplan", "--yes", "--resume", code=5)
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0
    assert served.counts()["effects"].get("sendMessage", 0) == sent
    assert set(served.sends().values()) <= {1}
    assert len(shell.json("status")["held"]) > 0


@pytest.mark.parametrize("name", ["loyalty-migration", "push-token-import", "one-off-send"])
def test_every_example_plans_applies_and_is_done(name: str, example: Example) -> None:
    shell = example(name)
    shell.run("validate")
    planned = shell.start("plan", "--out", "a.lpplan")
    planned.communicate(timeout=300)
    assert planned.returncode in (0, 6)
    plan = shell.json("show", "a.lpplan")
    consent = [f"--ack={hazard['name']}={hazard['count']}" for hazard in plan["hazards"] if hazard["isOver"]]
    shell.run("apply", "a.lpplan", "--yes", *consent)
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refuse(shell: Shell, served: Served, *options: str) -> str:
    sent = served.counts()["writes"]
    error = shell.run("apply", "a.lpplan", "--yes", *options, code=7).stderr
    assert served.counts()["writes"] == sent
    return error


def test_a_foreign_damaged_or_outdated_plan_is_refused_and_nothing_is_sent(
    example: Example, serve: Serve
) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")
    whole = (shell.folder / "a.lpplan").read_bytes()

    shell.environ = {**served.environ, "LEANPLUM_APP_ID": "app_other"}
    assert "app_other" in refuse(shell, served)
    shell.environ = served.environ
    assert "live" in refuse(shell, served, "-e", "sandbox")

    spec = next((shell.folder / "specs").glob("*.yaml"))
    changed(spec, "delivery: 2026-11-order-delay", "delivery: 2026-12-order-delay")
    assert spec.name in refuse(shell, served)
    changed(spec, "delivery: 2026-12-order-delay", "delivery: 2026-11-order-delay")

    (shell.folder / "a.lpplan").write_bytes(whole[: len(whole) // 2])
    assert "a.lpplan" in refuse(shell, served)
    (shell.folder / "a.lpplan").write_bytes(b"hello")
    assert "a.lpplan" in refuse(shell, served)
    (shell.folder / "a.lpplan").unlink()
    assert "a.lpplan" in refuse(shell, served)


def test_the_same_plan_has_the_same_digest_in_another_folder(example: Example, tmp_path: Path) -> None:
    digests: set[Any] = set()
    for seed in ("0", "1"):
        shell = example("push-token-import")
        shell.environ = {"PYTHONHASHSEED": seed, "LC_ALL": "C"}
        digests.add(shell.json("plan", "--out", "a.lpplan")["digest"])
        shell.folder.rename(tmp_path / f"moved{seed}")
    assert len(digests) == 1


def test_a_production_key_of_the_wrong_class_ends_the_run_and_costs_nothing(
    example: Example, serve: Serve
) -> None:
    shell = example("one-off-send")
    served = serve(seeds=shell.seeds)
    shell.go_live(served)
    shell.run("plan", "--out", "a.lpplan")
    shell.environ = {**served.environ, "LEANPLUM_PRODUCTION_KEY": served.environ["LEANPLUM_DATA_EXPORT_KEY"]}
    refused = shell.run("apply", "a.lpplan", "--yes", code=9)
    assert "does not accept the production key" in refused.stderr
    assert served.environ["LEANPLUM_DATA_EXPORT_KEY"] not in refused.stdout + refused.stderr
    shell.environ = served.environ
    shell.run("apply", "a.lpplan", "--yes", "--resume")
    assert served.counts()["effects"]["sendMessage"] == 39
    assert set(served.sends().values()) == {1}


def test_what_a_run_leaves_on_disk_is_its_owners_only(example: Example) -> None:
    shell = example("push-token-import")
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    left = [*(shell.folder / ".leanplum-sync").rglob("*"), shell.folder / "a.lpplan"]
    assert len(left) > 3
    assert [path.name for path in left if path.stat().st_mode & 0o077] == []
