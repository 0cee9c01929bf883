"""A delivery is identified by its own name: renaming, moving or splitting documents repeats nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from shell import Example, Serve, Shell

VISITS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: {name}}}
spec: {{users: {{inline: ["reader-0001", "reader-0002"]}}, attributes: {{visits: {{increment: 1, once: launch}}}}}}
"""


def started(example: Example, serve: Serve) -> Shell:
    shell = example("one-off-send")
    shell.go_live(serve(seeds=shell.seeds))
    return shell


@pytest.fixture
def shell(example: Example, serve: Serve, journal_location: str | Path) -> Shell:
    """Return the example, ready to send, with a journal in a file and then with a shared one."""
    shell = started(example, serve)
    if isinstance(journal_location, str):
        project = shell.folder / "leanplum-sync.yaml"
        project.write_text(f"{project.read_text()}  journal: {{env: LEANPLUM_SYNC_JOURNAL}}\n")
        shell.environ["LEANPLUM_SYNC_JOURNAL"] = journal_location
    return shell


def apply(shell: Shell) -> None:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")


@pytest.mark.sampled
def test_a_renamed_send_goes_to_nobody_again(shell: Shell) -> None:
    apply(shell)
    spec = shell.folder / "specs" / "order-delay.yaml"
    renamed = shell.folder / "specs" / "late-orders.yaml"
    renamed.write_text(spec.read_text().replace("name: order-delay", "name: late-orders"))
    spec.unlink()
    plan = shell.json("plan", "--out", "b.lpplan")
    assert plan["changes"] == {}
    assert plan["actions"] == 0


@pytest.mark.doubt(integers="kept")
def test_a_renamed_increment_is_not_added_again(shell: Shell) -> None:
    (shell.folder / "specs" / "order-delay.yaml").unlink()
    spec: Path = shell.folder / "specs" / "visits.yaml"
    spec.write_text(VISITS.format(name="visits"))
    apply(shell)
    spec.write_text(VISITS.format(name="launch-visits"))
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0


def test_two_specs_with_one_delivery_are_a_problem_that_names_both(example: Example, serve: Serve) -> None:
    shell = started(example, serve)
    for name in ("visits", "more-visits"):
        (shell.folder / "specs" / f"{name}.yaml").write_text(VISITS.format(name=name))
    send = shell.folder / "specs" / "order-delay.yaml"
    (shell.folder / "specs" / "copy.yaml").write_text(
        send.read_text().replace("name: order-delay", "name: copy")
    )
    told = shell.run("validate", code=3).stdout
    assert "the delivery launch/visits is also used by UserAttributes/more-visits" in told
    assert "the delivery 2026-11-order-delay is also used by MessageSend/copy" in told


def rename(shell: Shell, new: str, old: str = "2026-11-order-delay") -> None:
    spec = shell.folder / "specs" / "order-delay.yaml"
    spec.write_text(spec.read_text().replace(f"delivery: {old}", f"delivery: {new}"))


def moved(shell: Shell, *moves: tuple[str, str]) -> None:
    project = shell.folder / "leanplum-sync.yaml"
    entries = ", ".join(f"{{from: {former}, to: {name}}}" for former, name in moves)
    kept = [line for line in project.read_text().splitlines() if not line.startswith("  moved:")]
    project.write_text("\n".join([*kept, f"  moved: [{entries}]", ""]))


def test_a_send_that_was_moved_goes_to_nobody_again_however_often_it_is_renamed(shell: Shell) -> None:
    apply(shell)
    rename(shell, "late-orders")
    moved(shell, ("2026-11-order-delay", "late-orders"))
    plan = shell.json("plan", "--out", "b.lpplan")
    assert plan["actions"] == 0
    assert "already received this send under its former name 2026-11-order-delay" in str(plan["notes"])
    rename(shell, "order-delay", "late-orders")
    moved(shell, ("2026-11-order-delay", "late-orders"), ("late-orders", "order-delay"))
    assert shell.json("plan", "--out", "b.lpplan")["actions"] == 0


# Events have a "#" in their names in the journal. The name of an attribute may contain one, too.
ATTRIBUTES = ("visits", "points#1")


@pytest.mark.doubt(integers="kept")
@pytest.mark.sampled
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_moved_increment_is_not_added_again(shell: Shell, attribute: str) -> None:
    (shell.folder / "specs" / "order-delay.yaml").unlink()
    spec = shell.folder / "specs" / "visits.yaml"
    text = VISITS.replace("visits:", f"{attribute}:").format(name="visits")
    spec.write_text(text)
    apply(shell)
    spec.write_text(text.replace("once: launch", "once: start"))
    moved(shell, (f"launch/{attribute}", f"start/{attribute}"))
    plan = shell.json("plan", "--out", "b.lpplan")
    assert plan["actions"] == 0
    assert f"increment under its former name launch/{attribute}" in str(plan["notes"])


def test_a_plan_made_before_the_former_delivery_was_applied_repeats_nothing(
    example: Example, serve: Serve
) -> None:
    """The plan carries the former names, so that apply finds them in the journal."""
    shell = started(example, serve)
    spec, project = shell.folder / "specs" / "order-delay.yaml", shell.folder / "leanplum-sync.yaml"
    before = spec.read_text(), project.read_text()
    rename(shell, "late-orders")
    moved(shell, ("2026-11-order-delay", "late-orders"))
    after = spec.read_text(), project.read_text()
    planned = shell.json("plan", "--out", "new.lpplan")["changes"]["send"]
    spec.write_text(before[0])
    project.write_text(before[1])
    apply(shell)
    spec.write_text(after[0])
    project.write_text(after[1])
    receipt = shell.json("apply", "new.lpplan", "--yes")
    assert planned > 0
    assert receipt["actions"]["already"] == planned
    assert receipt["actions"]["done"] == 0


def test_a_plan_with_the_former_name_repeats_nothing_that_was_delivered_under_the_new_one(
    shell: Shell,
) -> None:
    """As from another checkout: the journal remembers the rename."""
    spec = shell.folder / "specs" / "order-delay.yaml"
    before = spec.read_text()
    planned = shell.json("plan", "--out", "old.lpplan")["changes"]["send"]
    rename(shell, "late-orders")
    moved(shell, ("2026-11-order-delay", "late-orders"))
    apply(shell)
    spec.write_text(before)
    receipt = shell.json("apply", "old.lpplan", "--yes")
    assert receipt["actions"]["already"] == planned
    assert receipt["actions"]["done"] == 0


def over(plan: Any) -> dict[str, int]:
    return {hazard["name"]: hazard["count"] for hazard in plan["hazards"] if hazard["isOver"]}


def test_a_rename_that_is_not_listed_is_refused_until_it_is_acknowledged(shell: Shell) -> None:
    apply(shell)
    rename(shell, "late-orders")
    plan = shell.json("plan", "--out", "b.lpplan", code=6)
    sent = plan["changes"]["send"]
    assert over(plan) == {"repeatedSends": sent, "suspectedRename": sent}
    shell.run("apply", "b.lpplan", "--yes", code=6)
    acks = ("--ack", f"repeatedSends={sent}", "--ack", f"suspectedRename={sent}")
    assert shell.json("apply", "b.lpplan", "--yes", *acks)["actions"]["done"] > 0
    assert shell.json("plan", "--out", "c.lpplan")["actions"] == 0


@pytest.mark.doubt(integers="kept")
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_a_renamed_increment_that_is_not_listed_is_refused(shell: Shell, attribute: str) -> None:
    (shell.folder / "specs" / "order-delay.yaml").unlink()
    spec = shell.folder / "specs" / "visits.yaml"
    text = VISITS.replace("visits:", f"{attribute}:").format(name="visits")
    spec.write_text(text)
    apply(shell)
    spec.write_text(text.replace("once: launch", "once: start"))
    assert over(shell.json("plan", "--out", "b.lpplan", code=6)) == {"suspectedRename": 2}


@pytest.mark.doubt(integers="kept")
def test_an_increment_renamed_again_without_an_entry_is_refused_though_the_first_rename_is_listed(
    example: Example, serve: Serve
) -> None:
    shell = started(example, serve)
    (shell.folder / "specs" / "order-delay.yaml").unlink()
    spec = shell.folder / "specs" / "visits.yaml"
    spec.write_text(VISITS.format(name="visits"))
    apply(shell)
    spec.write_text(VISITS.format(name="visits").replace("once: launch", "once: again"))
    moved(shell, ("launch/visits", "start/visits"))
    assert over(shell.json("plan", "--out", "b.lpplan", code=6)) == {"suspectedRename": 2}


@pytest.mark.doubt(integers="kept")
def test_an_increment_of_which_a_part_gets_a_new_name_is_refused(example: Example, serve: Serve) -> None:
    shell = started(example, serve)
    (shell.folder / "specs" / "order-delay.yaml").unlink()
    spec = shell.folder / "specs" / "visits.yaml"
    spec.write_text(VISITS.format(name="visits"))
    apply(shell)
    one = VISITS.format(name="visits").replace('"reader-0001", ', "")
    other = VISITS.format(name="other").replace(', "reader-0002"', "").replace("once: launch", "once: other")
    spec.write_text(f"{one}---\n{other}")
    assert over(shell.json("plan", "--out", "b.lpplan", code=6)) == {"suspectedRename": 1}
    both = VISITS.format(name="other").replace("once: launch", "once: other")
    spec.write_text(
        f"{VISITS.format(name='visits')}---\n{both}"
    )  # who is listed for both is meant to get both
    assert shell.json("plan", "--out", "b.lpplan")["changes"] == {"increment": 2}


def test_the_same_message_under_a_second_delivery_counts_as_repeated_within_the_days_set(
    example: Example, serve: Serve
) -> None:
    shell = started(example, serve)
    apply(shell)
    spec = shell.folder / "specs" / "order-delay.yaml"
    text = (
        spec.read_text().replace("name: order-delay", "name: again").replace("2026-11-order", "again-order")
    )
    (shell.folder / "specs" / "again.yaml").write_text(text)
    plan = shell.json("plan", "specs/again.yaml", "--out", "b.lpplan", code=6)
    assert over(plan) == {"repeatedSends": plan["changes"]["send"]}
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(project.read_text() + "  limits: {repeatedSendDays: 0}\n")
    assert shell.json("plan", "specs/again.yaml", "--out", "b.lpplan")["changes"] == plan["changes"]


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ([("late", "late")], "late is moved to itself"),
        ([("a", "late"), ("a", "late")], "the move from a to late is listed twice"),
        ([("a", "b"), ("b", "a")], "the entries form a cycle: b was moved to a, and back"),
        ([("launch/visits", "late")], "one of these names belongs to a send, and the other to an increment"),
        ([("late", "b")], "MessageSend/order-delay still uses the delivery late, which was moved to b"),
    ],
)
def test_moves_that_contradict_each_other_or_the_specs_are_problems(
    moves: list[tuple[str, str]], told: str, example: Example
) -> None:
    shell = example("one-off-send")
    rename(shell, "late")
    moved(shell, *moves)
    found = shell.run("validate", code=3).stdout
    assert told in found
    assert "leanplum-sync.yaml:" in found


def test_a_move_to_a_name_that_no_spec_has_is_a_remark_and_one_to_a_spec_that_was_not_chosen_is_none(
    example: Example,
) -> None:
    shell = example("one-off-send")
    moved(shell, ("early", "2026-11-order-delay"))
    (shell.folder / "specs" / "visits.yaml").write_text(VISITS.format(name="visits"))
    assert "has the delivery" not in shell.run("validate", "specs/visits.yaml").stderr
    moved(shell, ("early", "misspelled"))
    assert "no spec has the delivery misspelled" in shell.run("validate").stderr
