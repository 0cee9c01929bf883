"""``drift``: what others changed since we applied, told apart from what is ours, new, or both."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from files import write_files
from shell import Serve, Served, Shell

Project = Callable[..., Shell]
PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: drift}
spec:
  journal: {env: LEANPLUM_SYNC_JOURNAL}
  environments: {live: {appId: app_emulator}}
  limits: {requestsPerSecond: 1000}
"""
SPEC = """\
# Who is what.
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    badge: new
    interests: {add: [running, golf]}
    old: {state: absent}
"""
USERS = {f"u{number}": "gold" for number in range(8)}
ATTRIBUTES = {"tier": "silver", "badge": "new", "old": 1, "interests": ["chess"]}
PEOPLE = [{"userId": user, "userAttributes": ATTRIBUTES} for user in USERS]  # as they are before


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*PEOPLE)


@pytest.fixture
def project(tmp_path: Path, served: Served, journal_location: str | Path) -> Project:
    """Make a fresh folder with the spec: what a pipeline's machine has, beside the journal that all share."""

    def make(name: str = "project") -> Shell:
        folder = tmp_path / name
        write_files(folder, {"leanplum-sync.yaml": PROJECT, "specs/tiers.yaml": SPEC})
        list_users(folder, USERS)
        return Shell(folder, {**served.environ, "LEANPLUM_SYNC_JOURNAL": str(journal_location)})

    return make


def list_users(folder: Path, tiers: dict[str, str]) -> None:
    (folder / "users.csv").write_text("id,tier\n" + "".join(f"{u},{tier}\n" for u, tier in tiers.items()))


def applied(shell: Shell) -> Shell:
    shell.run("plan", "--out", "a.lpplan")
    shell.run("apply", "a.lpplan", "--yes")
    return shell


def somebody_sets(shell: Shell, user: str, **attributes: Any) -> None:
    body = f"userAttributes={json.dumps(attributes)}"
    shell.run("call", "setUserAttributes", f"userId={user}", body, "--yes")


def origins(drift: Any) -> dict[tuple[str, str], str]:
    """Return who is behind it, by user and field."""
    return {
        (sample.removeprefix("user:"), moved["field"]): moved["origin"]
        for moved in drift["moved"]
        for sample in moved["samples"]
    }


def test_before_anything_was_applied_all_is_new_and_no_drift(project: Project) -> None:
    shell = project()
    drift = shell.json("drift", "--detailed-exitcode")
    assert drift["fields"] == {"others": 0, "both": 0, "ours": 0, "new": 24}
    assert drift["specs"] == [
        {
            "resource": "UserAttributes/tiers",
            "appliedAt": None,
            "run": None,
            "planDigest": None,
            "changedSince": False,
        }
    ]


def test_users_who_never_existed_do_not_match(project: Project) -> None:
    shell = applied(project())
    list_users(shell.folder, USERS | {"nobody": "gold", "nowhere": "gold"})
    drift = shell.json("drift", "--detailed-exitcode")
    assert (drift["listed"], drift["inStep"], drift["missing"]) == (10, 8, 2)
    assert "8 of 10 listed users match the specs; 2 do not exist." in shell.run("drift").stdout


def test_each_field_is_told_by_who_changed_it(project: Project, served: Served) -> None:
    shell = applied(project())
    assert shell.json("drift", "--detailed-exitcode")["moved"] == []

    somebody_sets(shell, "u1", tier="lead")
    somebody_sets(shell, "u2", badge="lost")  # as the spec says from the start, so never written
    somebody_sets(shell, "u3", old=2)
    somebody_sets(shell, "u4", interests=["chess", "golf"])
    somebody_sets(shell, "u5", tier="lead")
    # From now on the spec asks for something else of two users, and of one who is new to us.
    list_users(shell.folder, USERS | {"u5": "platinum", "u6": "platinum"})
    elsewhere = project("elsewhere")
    list_users(elsewhere.folder, USERS | {"u5": "platinum", "u6": "platinum"})
    elsewhere.environ = {**elsewhere.environ, **served.read_only}
    elsewhere.environ.pop("LEANPLUM_PRODUCTION_KEY")

    found = elsewhere.json("drift", "--detailed-exitcode", code=2)
    assert origins(found) == {
        ("u1", "tier"): "others",
        ("u2", "badge"): "new",  # the data changed, and we have never written it
        ("u3", "old"): "others",
        ("u4", "interests"): "others",
        ("u5", "tier"): "both",
        ("u6", "tier"): "ours",
    }
    assert found["inStep"] == 2
    (spec,) = found["specs"]
    assert (spec["run"], spec["changedSince"]) == (1, True)
    list_users(elsewhere.folder, USERS)
    found = elsewhere.json("drift")
    assert origins(found)["u2", "badge"] == "others", "in force, and as desired when it was applied"
    assert ("u6", "tier") not in origins(found)

    text = elsewhere.run("drift").stdout
    assert "Changed by others since the last apply" in text
    assert "lead  gold" in text, "live beside desired"


def test_a_layout_of_the_spec_is_no_change_of_it_and_a_plan_with_nothing_to_do_puts_it_in_force(
    project: Project,
) -> None:
    shell = applied(project())
    spec = shell.folder / "specs" / "tiers.yaml"
    spec.write_text("\n\n" + SPEC.replace("badge: new", "badge:   'new'  # for all"))
    assert not shell.json("drift")["specs"][0]["changedSince"]
    spec.write_text(SPEC.replace("badge: new", "badge: {value: new, when: absent}"))
    assert shell.json("drift")["specs"][0]["changedSince"]
    applied(shell)
    found = shell.json("drift")["specs"][0]
    assert (found["changedSince"], found["run"]) == (False, None)


def test_what_undo_restored_is_as_we_left_it(project: Project) -> None:
    shell = applied(project())
    shell.run("undo", "1")
    shell.run("apply", ".leanplum-sync/undo-1.lpplan", "--yes")
    found = shell.json("drift", "--detailed-exitcode")
    assert (found["fields"]["others"], found["fields"]["both"]) == (0, 0)
    assert found["fields"]["ours"] >= 16


def test_what_was_not_carried_out_was_not_left_by_us(project: Project, serve: Serve) -> None:
    shell = project()
    shell.run("plan", "--out", "a.lpplan")
    there = Shell(shell.folder, {**shell.environ, **serve(*PEOPLE[1:]).environ})
    there.run("apply", "a.lpplan", "--yes", "--recheck", "off", "--verify", "none", code=4)
    # Seen from where nothing was done: all but u0 were left otherwise.
    list_users(shell.folder, {"u0": "gold", "u1": "gold"})
    found = shell.json("drift", "--detailed-exitcode", code=2)
    assert {user: origin for (user, _), origin in origins(found).items()} == {"u0": "new", "u1": "others"}
    assert found["specs"][0]["run"] == 1, "who was skipped keeps no spec from being in force for the others"


def test_a_snapshot_is_compared_without_asking_the_app(project: Project, served: Served) -> None:
    shell = applied(project())
    shell.run("pull", *USERS, "--out", "then.ndjson")
    somebody_sets(shell, "u1", tier="lead")
    before = served.counts()["billableLookups"]["total"]
    found = shell.json("drift", "--observed", "then.ndjson")
    assert (found["moved"], found["reads"]) == ([], 0)
    assert served.counts()["billableLookups"]["total"] == before
    shell.run("drift", "--observed", "then.ndjson", "--max-age", "0s", code=7)


def test_faults_of_the_specs_are_told_and_nothing_is_read(project: Project, served: Served) -> None:
    shell = project()
    (shell.folder / "specs" / "tiers.yaml").write_text(SPEC.replace("users:", "usres:"))
    assert "usres" in shell.run("drift", code=3).stderr
    assert served.counts()["billableLookups"]["total"] == 0
