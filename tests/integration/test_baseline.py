"""Plans that read only users who would change, or whom the baseline doesn't know, against the emulator and its own count."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from click.testing import CliRunner
from nightly import SPEC, Nightly, changes_of, nightly, row, variables

from leanplum_sync import Recheck, verify
from leanplum_sync.cli.program import program
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import Fate
from leanplum_sync.library.progress import Step
from leanplum_sync.library.reading import reading_live
from leanplum_sync.planfile import open_plan
from leanplum_sync.planner.audit import AuditGoal, bound, sample_size
from leanplum_sync.project.model import Observe

USERS = 400
CHANGING = 4  # one in a hundred
LISTS = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: lists}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    segments: {add: [c], remove: [a]}
    age: {from: age, type: integer}
"""
LATER = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: later, dependsOn: [UserAttributes/loyalty]}
spec: {users: {file: ../users.csv, id: id}, attributes: {step: 1}}
"""
CREATED = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: created}
spec: {users: {file: ../users.csv, id: id}, createUsers: true, attributes: {tier: {column: tier}}}
"""
INLINE = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: inline}
spec: {users: {inline: [u000001]}, attributes: {step: 1}}
"""
INCREMENT: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: visits}
spec: {users: {file: ../users.csv, id: id}, attributes: {visits: {increment: 1, once: launch}}}
"""
OPT_OUT: Final = """\
apiVersion: leanplum-sync/v1
kind: Subscriptions
metadata: {name: optouts}
spec: {users: {file: ../users.csv, id: id}, channels: {Email: unsubscribed}}
"""
YESTERDAY: Final = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
ORDERS: Final = f"""\
apiVersion: leanplum-sync/v1
kind: Events
metadata: {{name: orders}}
spec:
  users: {{inline: [{{id: u000001, order: 7, at: "{YESTERDAY}"}}], id: id}}
  event: Order
  key: order
  time: {{column: at}}
  delivery: orders
"""
Served: TypeAlias = Callable[[int], Nightly]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    running = []

    def serve(users: int) -> Nightly:
        context = nightly(tmp_path, {f"u{number:06}": row(number) for number in range(users)})
        found = context.__enter__()
        running.append(context)
        for name, value in variables(found.url).items():
            monkeypatch.setenv(name, value)
        return found

    yield serve
    for context in running:
        context.__exit__(None, None, None)


def notes_of(path: Path) -> dict[str, str]:
    with open_plan(path) as plan:
        return {note.code: note.sentence for note in plan.notes()}


def test_a_nightly_sync_of_which_one_percent_changes_costs_a_fortieth(served: Served) -> None:
    world = served(USERS)
    first = world.plan()  # there is no baseline yet
    assert first.is_empty
    of_live = world.lookups()
    assert (of_live, first.summary.assumed) == (USERS, 0)

    for number in range(CHANGING):
        world.rows[f"u{number:06}"]["tier"] = "platinum"
    before = world.lookups()
    cheap = world.plan()
    of_cheap = world.lookups() - before
    assert of_cheap == cheap.summary.cost.reads == CHANGING
    assert cheap.summary.assumed == USERS - CHANGING
    assert {each.name: each.count for each in cheap.hazards}["assumed"] == USERS - CHANGING
    live = world.plan(Observe.LIVE)
    assert changes_of(cheap) == changes_of(live)
    assert (cheap.digest, cheap.summary.changed) == (live.digest, CHANGING)

    before = world.lookups()
    receipt = world.apply(cheap, recheck=Recheck.AUTO)
    assert receipt.complete
    of_cheap += world.lookups() - before
    assert of_cheap == 2 * CHANGING <= 0.025 * (of_live + CHANGING)

    before = world.lookups()
    after = world.plan()
    assert after.is_empty
    assert (world.lookups() - before, after.summary.assumed) == (0, USERS)


def test_of_two_plans_at_once_both_add_what_they_read(served: Served, tmp_path: Path) -> None:
    world = served(3)
    settings = world.project().settings
    first = tmp_path / ".leanplum-sync" / "production.reading.ndjson"
    with reading_live(settings, None, tmp_path) as live:
        assert live.into == first
        first.write_text("")  # the other plan has begun to read
        made = world.plan()
        assert first.exists()
        assert made.summary.assumed == 0
    assert world.plan().summary.assumed == 3


def test_users_whom_the_baseline_does_not_know_are_read(served: Served) -> None:
    world = served(6)
    del world.rows["u000005"]
    world.plan()
    world.rows["u000005"] = row(5)
    world.rows["new"] = row(7)  # who doesn't exist, and is read each time
    before = world.lookups()
    assert world.plan().summary.assumed == 5
    assert world.lookups() - before == 2
    before = world.lookups()
    made = world.plan()
    assert (made.summary.assumed, made.summary.missing) == (6, 1)
    assert world.lookups() - before == 1


def test_a_user_who_would_change_is_decided_by_what_is_read(served: Served) -> None:
    """Somebody else has made one of the changes already, and undone another user's value without anybody noticing."""
    world = served(4)
    world.plan()
    world.set_by_others("u000001", {"tier": "platinum"})
    world.set_by_others("u000002", {"tier": "bronze"})
    world.set_by_others("u000003", {"points": 99})
    world.rows["u000001"]["tier"] = world.rows["u000003"]["tier"] = "platinum"
    made = world.plan()
    found = {(each.subject.id, each.field, each.before, each.after) for each in changes_of(made)}
    assert found == {("u000003", "points", 99, 3), ("u000003", "tier", "gold", "platinum")}
    assert world.apply(made).complete
    assert world.values()["u000002"]["userAttributes"]["tier"] == "bronze"  # assumed, and shown as such
    assert world.plan(Observe.LIVE).summary.changed == 1


def test_a_plan_says_how_many_users_it_assumes_and_since_when(served: Served) -> None:
    world = served(3)
    world.plan()
    made = world.plan()
    assert made.summary.assumed_since is not None
    assert notes_of(made.path)["assumed"].startswith(
        "were not read: according to the baseline, they already match the specs. The oldest entry is from 2"
    )


def test_an_audit_reads_a_sample_and_says_how_many_others_may_not_match(served: Served) -> None:
    world = served(300)
    world.settings = "  audit: {share: 5, confidence: 95}\n"
    assert world.plan().summary.audit is None, "all were read"
    before = world.lookups()
    made = world.plan()
    audit = made.summary.audit
    assert audit is not None
    sample = sample_size(300, AuditGoal(5, 95))
    assert (audit.bound.sample, audit.bound.differing, audit.bound.unseen) == (sample, 0, 300 - sample)
    assert world.lookups() - before == made.summary.cost.reads == sample < 100
    assert made.summary.assumed == 300 - sample
    assert audit.bound.meets(audit.goal)
    assert "audit" not in made.over_budget
    told = notes_of(made.path)["audit"]
    assert told.startswith("were read as an audit: all matched; with 95 % confidence,")
    assert (
        f"at most {audit.bound.most} of the {300 - sample} users who were not read ({audit.bound.percent} %) do not match"
        in told
    )


def test_an_audit_that_finds_too_many_asks_to_read_live(served: Served) -> None:
    world = served(300)
    world.settings = "  audit: {share: 5, confidence: 95}\n"
    world.plan()
    for number in range(0, 300, 2):
        world.set_by_others(f"u{number:06}", {"tier": "bronze"})
    made = world.plan()
    audit = made.summary.audit
    assert audit is not None
    assert audit.bound.differing == made.summary.changed > 10, "what the audit finds is planned, too"
    assert audit.bound == bound(300, audit.bound.sample, audit.bound.differing, 95)
    assert made.over_budget["audit"] == audit.bound.most > audit.allowed
    assert "over the project's limit of 5 %: plan with --observed live" in notes_of(made.path)["audit"]


def test_the_same_inputs_and_baseline_draw_the_same_users_and_the_next_baseline_others(
    served: Served, tmp_path: Path
) -> None:
    world = served(200)
    world.settings = "  audit: {share: 10, confidence: 90}\n"
    world.plan()
    state = tmp_path / ".leanplum-sync"
    shutil.copytree(state, tmp_path / "kept")

    def drawn() -> set[str]:
        world.plan()
        lines = (state / "production.snapshot.ndjson").read_text().splitlines()
        return {json.loads(line)["userId"] for line in lines}

    first, second = drawn(), drawn()
    shutil.rmtree(state)
    shutil.copytree(tmp_path / "kept", state)
    assert drawn() == first
    assert first != second


def test_a_user_with_a_conflict_is_read_again(served: Served) -> None:
    world = served(4)
    world.plan()
    world.rows["u000001"]["tier"] = world.rows["u000002"]["tier"] = "platinum"
    made = world.plan()
    world.set_by_others("u000001", {"tier": "silver"})
    receipt = world.apply(made)
    assert receipt.actions[Fate.CONFLICTING] == 1
    before = world.lookups()
    again = world.plan()
    assert again.summary.assumed == 3
    assert [each.before for each in changes_of(again)] == ["silver"]
    assert world.lookups() - before == 1


def test_a_run_that_stopped_early_leaves_what_it_did_not_send_to_the_next_plan(served: Served) -> None:
    """Each user has a batch that was done, or not, and one that was never begun."""
    world = served(8)
    world.specs["later"] = LATER
    world.apply(world.plan())
    world.plan()
    for each in world.rows.values():
        each["tier"] = "platinum"
    world.specs["later"] = LATER.replace("step: 1", "step: 2")
    made = world.plan()
    world.set_by_others("u000001", {"tier": "silver"})
    world.set_by_others("u000002", {"tier": "silver"})
    receipt = world.apply(made)
    assert (receipt.actions[Fate.CONFLICTING], receipt.actions[Fate.NOT_SENT]) == (2, 8)
    again = world.plan()
    assert changes_of(again) == changes_of(world.plan(Observe.LIVE))
    assert again.summary.changed == 8


def test_what_was_read_while_a_request_was_in_flight_is_not_assumed(served: Served, tmp_path: Path) -> None:
    """The response comes while the plan still reads, so that nothing in the journal tells of it afterwards."""
    world = served(3)
    world.rows["u000001"]["tier"] = "platinum"
    made = world.plan()
    journal = tmp_path / ".leanplum-sync" / "journal.db"
    baseline = journal.with_name("journal.production.baseline")
    shutil.copytree(baseline, tmp_path / "kept")
    world.apply(made)
    shutil.rmtree(baseline)
    shutil.copytree(tmp_path / "kept", baseline)  # as it was while the run wrote

    def set_journal(run: str, batch: str) -> None:
        with closing(sqlite3.connect(journal)) as connection, connection:
            assert connection.execute(f"UPDATE run SET {run}").rowcount == 1
            assert connection.execute(f"UPDATE batch SET {batch}").rowcount == 1

    set_journal("state = 'running', ended_at = NULL", f"state = 'sent', sent_at = {time.time()}")
    answered = []

    def answer(step: Step) -> None:
        if step.what == "Reading users" and not answered:
            set_journal(f"state = 'finished', ended_at = {time.time()}", "state = 'done'")
            answered.append(True)

    made = world.plan(Observe.LIVE, progress=answer)
    assert answered
    assert "unsettled" in notes_of(made.path)
    before = world.lookups()
    world.plan()
    assert world.lookups() - before == 1


def test_what_a_run_wrote_is_as_old_as_the_run(served: Served, tmp_path: Path) -> None:
    """Not as new as the moment at which the baseline learnt of it: a run may take hours. Nobody read the user whom it created."""
    world = served(0)
    world.rows["new"] = row(1)
    world.specs = {"created": CREATED}
    receipt = world.apply(world.plan())
    assert receipt.run is not None
    with read_journal(tmp_path / ".leanplum-sync" / "journal.db") as journal:
        run = journal.run(receipt.run)
    assert run is not None
    assert world.plan().summary.assumed_since == run.started_at


@pytest.mark.parametrize("is_link", [False, True])
def test_something_in_place_of_the_baseline_stops_no_plan(
    is_link: bool, served: Served, tmp_path: Path
) -> None:
    world = served(3)
    place = tmp_path / ".leanplum-sync" / "journal.production.baseline"
    place.parent.mkdir(exist_ok=True)
    if is_link:
        place.symlink_to(tmp_path / "none" / "below")
    else:
        place.touch()
    made = world.plan()
    assert (made.summary.assumed, made.is_empty) == (0, True)
    assert notes_of(made.path)["remark"].startswith("the baseline is not used: ")


@pytest.mark.parametrize("what", ["head.json", "key", "journal"])
def test_a_baseline_that_is_damaged_or_foreign_is_left_out_with_a_remark(
    what: str, served: Served, tmp_path: Path
) -> None:
    world = served(3)
    world.rows["u000000"]["tier"] = "platinum"
    world.apply(world.plan())
    world.plan()
    folder = tmp_path / ".leanplum-sync" / "journal.production.baseline"
    if what == "journal":
        shutil.rmtree(tmp_path / ".leanplum-sync" / "applied")
        for file in (tmp_path / ".leanplum-sync").glob("journal.db*"):
            file.unlink()
        for file in (tmp_path / ".leanplum-sync").glob("run-*"):
            file.unlink()
    else:
        (folder / what).write_text("x")
    before = world.lookups()
    made = world.plan()
    assert (world.lookups() - before, made.summary.assumed) == (3, 0)
    assert notes_of(made.path)["remark"].startswith("the baseline is not used: ")
    assert world.plan().summary.assumed == 3  # a new one was made


def test_what_is_older_than_the_maximum_age_is_read(served: Served) -> None:
    world = served(3)
    world.plan()
    before = world.lookups()
    assert world.plan(max_age_seconds=0).summary.assumed == 0
    assert world.lookups() - before == 3
    assert world.plan(max_age_seconds=3600).summary.assumed == 3


def test_the_command_shows_the_baseline_and_discards_it(served: Served, tmp_path: Path) -> None:
    world = served(3)
    project = ["--project", str(tmp_path / "leanplum-sync.yaml"), "baseline"]
    world.project()
    run = CliRunner()
    assert run.invoke(program, project).output == "There is no baseline.\n"
    world.plan()
    shown = run.invoke(program, project).output
    assert "has 3 users, and was last updated at 2" in shown
    assert "old_tier, points, tier, vip, and country" in shown
    assert "new key" in run.invoke(program, [*project, "--rotate"]).output
    assert run.invoke(program, project).output == "There is no baseline.\n"


@pytest.mark.parametrize("how", ["library", "command"])
def test_users_who_are_read_back_after_a_run_are_known(how: str, served: Served, tmp_path: Path) -> None:
    """A run knows what it added to a list, and not what the list is then. Who is read back need not be read for the next plan."""
    world = served(3)
    world.specs = {"lists": LISTS}
    made = world.plan()
    if how == "library":
        assert verify(made, world.apply(made)).equal == 3
    else:
        arguments = [
            "--project",
            str(tmp_path / "leanplum-sync.yaml"),
            "apply",
            str(made.path),
            "--yes",
            "--new-journal",
        ]
        run = CliRunner().invoke(program, arguments)
        assert run.exit_code == 0, run.output
    before = world.lookups()
    assert world.plan().summary.assumed == 3
    assert world.lookups() == before


@pytest.mark.parametrize(
    "command", [["drift"], ["adopt", "--dry-run"], ["pull", "--out", "{folder}/users.ndjson"]]
)
def test_users_who_are_read_by_another_command_are_known(
    command: list[str], served: Served, tmp_path: Path
) -> None:
    world = served(3)
    world.plan()
    run, project = CliRunner(), ["--project", str(tmp_path / "leanplum-sync.yaml")]
    assert run.invoke(program, [*project, "baseline", "--rotate"]).exit_code == 0
    done = run.invoke(program, [*project, *(part.format(folder=tmp_path) for part in command)])
    assert done.exit_code == 0, done.output
    before = world.lookups()
    assert world.plan().summary.assumed == 3
    assert world.lookups() == before


def test_specs_of_which_nothing_can_be_assumed_are_named(served: Served) -> None:
    world = served(3)
    world.plan()
    world.specs = {"loyalty": SPEC, "inline": INLINE}
    made = world.plan()
    assert made.summary.assumed == 2
    assert notes_of(made.path)["remark"] == (
        "all its users were read: its rows don't come from a CSV file or a connection."
    )


@pytest.mark.parametrize("spec", [INCREMENT, OPT_OUT, ORDERS], ids=["increment", "subscription", "event"])
def test_a_project_of_which_nothing_can_be_assumed_is_planned_again(served: Served, spec: str) -> None:
    world = served(3)
    world.specs = {"only": spec}
    world.settings = "  audit: {share: 5, confidence: 95}\n"
    for _ in range(2):
        world.plan()
    world.apply(world.plan())
    assert changes_of(world.plan()) == []


def test_lists_and_values_that_were_converted_are_known_too(served: Served) -> None:
    world = served(3)
    world.specs = {"lists": LISTS}
    for user in world.rows:
        world.set_by_others(user, {"segments": ["a", "b"], "age": "12"})
    world.apply(world.plan())
    world.plan()
    before = world.lookups()
    assert world.plan().summary.assumed == 3
    assert world.lookups() == before
