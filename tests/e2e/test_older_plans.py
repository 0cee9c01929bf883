"""
Plans of several checkouts: an older one undoes no later run, and two merges that contradict each other are
refused.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from files import write_files
from hello import HELLO, send_hello
from shell import Serve, Served, Shell

from leanplum_sync import Plan, Project, apply
from leanplum_sync.applier.preflight import Conditions, check_plan
from leanplum_sync.errors import PlanMismatchError
from leanplum_sync.planfile import open_plan

USERS: Final = ("u1", "u2")
PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shared}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments:
    live: {appId: app_emulator, budget: {sends: 100}}
    alias: {appId: app_emulator, budget: {sends: 100}}
  defaultEnvironment: live
  limits: {requestsPerSecond: 1000}
"""
ATTRIBUTES: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {{name: points}}
spec:
  users: {{inline: {users}}}
  attributes: {{{attributes}}}
"""
TOKENS: Final = """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens}
spec:
  devices: {file: ../tokens.csv, id: device, user: user}
  token: {ios: {column: token}}
"""


def points(attributes: str, users: str = "[u1, u2]") -> dict[str, str]:
    return {"specs/spec.yaml": ATTRIBUTES.format(users=users, attributes=attributes)}


def tokens(digit: str) -> dict[str, str]:
    rows = "".join(f"d-{user},{user},{digit * 64}\n" for user in USERS)
    return {"specs/spec.yaml": TOKENS, "tokens.csv": f"device,user,token\n{rows}"}


@dataclass
class Team:
    """Several checkouts over one journal, and the app that they write to."""

    folder: Path
    served: Served
    journal: str

    def checkout(self, name: str, files: dict[str, str]) -> Shell:
        folder = self.folder / name
        write_files(folder, {"leanplum-sync.yaml": PROJECT, **files})
        return Shell(folder, {**self.served.environ, "LEANPLUM_SYNC_JOURNAL": self.journal})

    def planned(self, name: str, files: dict[str, str], *options: str) -> Shell:
        shell = self.checkout(name, files)
        shell.run("plan", "--out", "a.lpplan", *options)
        return shell

    def user(self, user: str) -> Any:
        """Return what the app knows, whether the API shows it or not."""
        with urllib.request.urlopen(f"{self.served.url}/_emulator/dump") as answer:
            return next(found for line in answer if (found := json.loads(line)).get("userId") == user)

    def values(self, attribute: str) -> list[Any]:
        return [self.user(user)["userAttributes"].get(attribute) for user in USERS]


@pytest.fixture
def team(tmp_path: Path, serve: Serve, journal_location: str | Path) -> Team:
    users = [
        {
            "userId": user,
            "userAttributes": {"points": 12},
            "devices": [{"deviceId": f"d-{user}", "iosPushToken": "0" * 64}],
        }
        for user in USERS
    ]
    if isinstance(journal_location, Path):
        journal_location.parent.mkdir(parents=True, exist_ok=True)
    return Team(tmp_path, serve(HELLO, *users), str(journal_location))


def applied(shell: Shell, *options: str, code: int = 0) -> Any:
    return shell.json("apply", "a.lpplan", "--yes", *options, code=code)


@pytest.mark.parametrize("recheck", ["auto", "off", "on"])
@pytest.mark.parametrize("environment", ["live", "alias"])
def test_an_attribute_that_a_later_run_set_is_a_conflict_that_names_the_run(
    team: Team, recheck: str, environment: str
) -> None:
    older = team.planned("older", points("points: 20"))
    newer = team.planned("newer", points("points: 30", "[u1]"), "-e", environment)
    digest = applied(newer)["planDigest"]
    receipt = applied(older, "--recheck", recheck, code=4)
    assert team.values("points") == [30, 20]
    (conflict,) = receipt["exceptions"]
    assert conflict["subject"] == "user:u1"
    assert conflict["message"] == f"changed by run 1 (plan {digest[:12]}) after this plan was made: points"
    assert receipt["recheckReads"] == (2 if recheck == "on" else 1)


def test_a_token_that_a_later_run_set_is_a_conflict_that_names_the_run(team: Team) -> None:
    older, newer = team.planned("older", tokens("a")), team.planned("newer", tokens("b"))
    applied(newer)
    receipt = applied(older, "--recheck", "off", code=4)
    messages = {entry["message"].partition(" (plan")[0] for entry in receipt["exceptions"]}
    assert messages == {"changed by run 1"}
    assert [self["devices"][0]["iosPushToken"] for self in map(team.user, USERS)] == ["b" * 64, "b" * 64]


@pytest.mark.doubt(integers="kept")
def test_an_increment_adds_to_what_a_later_run_wrote_and_is_added_once(team: Team) -> None:
    """Increments of different people add up, so there is no conflict; the journal knows which were delivered."""
    bonus = "points: {increment: 5, once: bonus}"
    older, same = team.planned("older", points(bonus)), team.planned("same", points(bonus))
    other = team.planned("other", points("points: {increment: 100, once: other}"))
    applied(other)
    applied(same, "--verify", "none")  # it would find the sum of both
    applied(older, "--recheck", "off", "--verify", "none")
    assert team.values("points") == [117, 117]


@pytest.mark.doubt(integers="kept")
def test_an_attribute_that_a_later_run_incremented_is_a_conflict(team: Team) -> None:
    older = team.planned("older", points("points: 20"))
    applied(team.planned("newer", points("points: {increment: 100, once: other}")))
    receipt = applied(older, "--recheck", "off", code=4)
    assert all(entry["message"].startswith("changed by run 1 (plan ") for entry in receipt["exceptions"])
    assert team.values("points") == [112, 112]


def test_a_message_is_sent_once_by_two_plans_that_both_hold_it(team: Team) -> None:
    files = {"specs/spec.yaml": send_hello("{inline: [u1, u2]}")}
    older, newer = team.planned("older", files), team.planned("newer", files)
    applied(newer)
    applied(older, "--recheck", "off")
    assert team.served.sends() == {"u1": 1, "u2": 1}


def test_a_plan_from_a_snapshot_that_a_run_made_outdated_is_a_conflict(team: Team) -> None:
    first = team.checkout("first", points("points: 20"))
    first.run("pull", "--out", "users.ndjson")
    applied(team.planned("newer", points("points: 30")))
    first.run("plan", "--observed", "users.ndjson", "--out", "a.lpplan")
    assert applied(first, "--recheck", "off", code=4)["exceptions"][0]["message"].startswith(
        "changed by run 1"
    )
    assert team.values("points") == [30, 30]


def test_a_plan_made_after_a_run_reads_nobody_again(team: Team) -> None:
    shell = team.planned("shell", points("points: 20"))
    applied(shell)
    shell = team.planned("shell", points("points: 30"))
    assert applied(shell)["recheckReads"] == 0
    assert team.values("points") == [30, 30]


def test_the_journal_position_is_beside_the_digest(team: Team) -> None:
    """A run about other users changes neither what is decided nor the digest."""
    first = team.planned("first", points("points: 20"))
    shutil.copy(first.folder / "a.lpplan", first.folder / "b.lpplan")
    applied(team.planned("other", points("level: 2", "[u3]")))
    first.run("plan", "--out", "a.lpplan")
    one, two = (first.json("show", name)["digest"] for name in ("a.lpplan", "b.lpplan"))
    assert one == two


def segment(name: str, value: str, users: str = "[u1, u2]") -> dict[str, str]:
    text = ATTRIBUTES.format(users=users, attributes=f"segment: {value}").replace("points", name, 1)
    return {f"specs/{name}.yaml": text}


def refused(shell: Shell) -> str:
    told = shell.run("apply", "a.lpplan", "--yes", code=7).stderr
    assert "Nothing was sent." in told
    return told


def test_two_merges_that_contradict_each_other_are_refused_by_the_second_apply(team: Team) -> None:
    red, blue = team.planned("red", segment("a", "red")), team.planned("blue", segment("b", "blue"))
    applied(red)
    write_files(blue.folder, segment("a", "red"))  # merged
    told = refused(blue)
    assert "specs/a.yaml:" in told
    assert "specs/b.yaml:" in told
    assert "plan again" in told.lower()
    assert team.values("segment") == ["red", "red"]


def test_a_merged_spec_about_other_users_is_mentioned_and_stops_nothing(team: Team) -> None:
    one, two = (
        team.planned("one", segment("a", "red", "[u1]")),
        team.planned("two", segment("b", "blue", "[u2]")),
    )
    applied(one)
    write_files(two.folder, segment("a", "red", "[u1]"))
    told = two.run("apply", "a.lpplan", "--yes").stderr
    assert (
        "These specs were added or changed since the plan was made, but don't conflict with it: specs/a.yaml."
        in told
    )
    assert team.values("segment") == ["red", "blue"]


def test_two_merged_specs_with_one_delivery_name_are_refused(team: Team) -> None:
    hello = send_hello("{inline: [u1]}")
    one = team.planned("one", {"specs/a.yaml": hello})
    write_files(one.folder, {"specs/b.yaml": hello.replace("name: hello}", "name: again}")})
    told = refused(one)
    assert "the delivery hello-2026 is also used by MessageSend/" in told
    assert team.served.sends() == {}


def test_a_spec_outside_the_selection_is_compared_when_it_changes(team: Team) -> None:
    shell = team.planned(
        "one", {**segment("a", "red", "[u1]"), **segment("b", "blue", "[u2]")}, "specs/a.yaml"
    )
    write_files(shell.folder, segment("b", "green", "[u2]"))
    saved = (shell.folder / "specs" / "b.yaml").read_text()
    write_files(shell.folder, segment("b", "green"))
    assert "specs/b.yaml:" in refused(shell)
    (shell.folder / "specs" / "b.yaml").write_text(saved)
    applied(shell)
    assert team.values("segment") == ["red", None]


def test_a_merged_spec_that_is_invalid_is_refused_and_one_with_a_bad_row_is_not(team: Team) -> None:
    shell = team.planned("one", segment("a", "red"))
    broken = shell.folder / "specs" / "b.yaml"
    broken.write_text("kind: UserAttributes\n")
    assert "specs/b.yaml" in refused(shell)
    broken.write_text(
        segment("b", "1")["specs/b.yaml"]
        .replace("segment", "level")
        .replace("{inline: [u1, u2]}", "{file: ../b.csv, id: id}")
    )
    (shell.folder / "b.csv").write_text('id\n""\n')
    applied(shell)


def test_the_library_refuses_them_too(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = team.planned("one", segment("a", "red"))
    write_files(shell.folder, segment("b", "blue"))
    for name, value in shell.environ.items():
        monkeypatch.setenv(name, value)
    project = Project.load(shell.folder / "leanplum-sync.yaml")
    with pytest.raises(PlanMismatchError, match="spec conflict"):
        apply(Plan.open(shell.folder / "a.lpplan", project))


def test_whoever_applies_a_plan_without_the_specs_of_today_is_refused(team: Team) -> None:
    shell = team.planned("one", segment("a", "red"))
    with (
        open_plan(shell.folder / "a.lpplan") as plan,
        pytest.raises(PlanMismatchError, match="specs unchecked"),
    ):
        check_plan(plan, Conditions(plan.header.target, shell.folder, {}), 0.0)
