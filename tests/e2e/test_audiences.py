"""Audiences as rows: users whom the app exports, bound into the plan, and never exported again by apply."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest
from files import write_files
from shell import Serve, Served, Shell
from waiting import wait_for

PROJECT: Final = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    live: {appId: app_emulator, limits: {requestsPerSecond: 1000}}
"""
SPEC: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: loyalty}
spec:
  users: {audience: {userAttribute: tier, equals: gold}}
  attributes: {loyal: true}
"""
ADDRESS: Final = "UserAttributes/loyalty"
SEED: Final = (
    {"userId": "u1", "userAttributes": {"tier": "gold", "vip": True}},
    {"userId": "u2", "userAttributes": {"tier": "silver", "vip": False}},
    {"userId": "u3", "userAttributes": {"tier": "gold"}},
    {"userId": "u4", "userAttributes": {"tier": ["gold", "silver"], "visits": 3}},
    {"userId": "u5", "userAttributes": {"tier": ""}},
    {"userId": "u6"},
)


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(*SEED)


@pytest.fixture
def shell(tmp_path: Path, served: Served) -> Shell:
    write_files(tmp_path / "shop", {"leanplum-sync.yaml": PROJECT, "specs/loyalty.yaml": SPEC})
    return Shell(tmp_path / "shop", served.environ)


def jobs(served: Served) -> int:
    with urllib.request.urlopen(f"{served.url}/_emulator/counts") as answer:
        return int(json.load(answer)["actions"].get("exportUsers", 0))


def respec(shell: Shell, audience: str, **more: str) -> None:
    text = SPEC.replace("{userAttribute: tier, equals: gold}", audience)
    (shell.folder / "specs" / "loyalty.yaml").write_text(text)
    write_files(shell.folder, dict(more))


def planned(shell: Shell, *arguments: str) -> Any:
    return shell.json("plan", "--out", "a.lpplan", *arguments)


def listed(shell: Shell, audience: str) -> int:
    respec(shell, audience)
    return int(planned(shell)["rows"][0]["rows"])


def test_a_walk_from_the_audience_to_the_proof(shell: Shell, served: Served) -> None:
    assert "Rows of audience:tier were not read" in shell.run("validate").stderr
    assert jobs(served) == 0
    plan = planned(shell)
    (rows,) = plan["rows"]
    assert (rows["connection"], rows["source"], rows["rows"]) == ("audience", "tier", 2)
    (note,) = [each for each in plan["notes"] if each["code"] == "source"]
    assert "2 rows read from exportUsers (39 of the day's 40 jobs left) at 2" in note["sentence"]
    for output in ("text", "json", "markdown", "html"):
        assert "exportUsers" in shell.run("show", "a.lpplan", "-o", output).stdout
    assert "loyal" in shell.run("explain", "a.lpplan", "u1").stdout
    assert jobs(served) == 1
    receipt = shell.json("apply", "a.lpplan", "--yes", "--verify", "all")
    assert (receipt["actions"]["done"], jobs(served)) == (2, 1)
    assert planned(shell)["isEmpty"]
    assert shell.json("drift")["moved"] == []


def test_operators_select_whom_the_export_shows_for_sure(shell: Shell) -> None:
    assert listed(shell, "{userAttribute: tier, in: [gold, silver]}") == 3
    assert listed(shell, "{userAttribute: vip, equals: true}") == 1
    assert listed(shell, "{userAttribute: vip, equals: false}") == 1
    assert listed(shell, "{userAttribute: visits, exists: true}") == 1
    assert listed(shell, "{userAttribute: tier, exists: true}") == 4


def test_users_who_may_belong_are_left_out_and_counted(shell: Shell) -> None:
    (remark,) = [each["sentence"] for each in planned(shell)["notes"] if each["code"] == "remark"]
    assert remark == (
        "1 user is left out, because the export doesn't show for sure whether they belong to the audience."
        " Values with quotes, commas, or brackets, empty values, and several rows of one user can be read in several ways."
    )


def test_an_audience_without_users_is_pointed_out(shell: Shell) -> None:
    respec(shell, "{userAttribute: teir, equals: gold}")
    (remark,) = [each["sentence"] for each in planned(shell)["notes"] if each["code"] == "remark"]
    assert remark.startswith("the audience has no users: the export of attribute teir shows none.")


def test_two_audiences_of_one_attribute_take_one_job(shell: Shell, served: Served) -> None:
    other = SPEC.replace("loyalty", "silver").replace("equals: gold", "equals: silver")
    write_files(shell.folder, {"specs/silver.yaml": other})
    assert [each["rows"] for each in planned(shell)["rows"]] == [2, 1]
    assert jobs(served) == 1
    planned(shell, "--max-age", "1h")
    assert jobs(served) == 1
    planned(shell)
    assert jobs(served) == 2


def test_the_plan_is_bound_to_the_users_and_not_to_when_they_were_exported(shell: Shell) -> None:
    digest = planned(shell)["digest"]
    assert planned(shell)["digest"] == digest
    (kept,) = (shell.folder / ".leanplum-sync" / "rows").glob("*.parquet")
    assert kept.stat().st_mode & 0o777 == 0o600
    respec(shell, "{userAttribute: tier, equals: silver}")
    assert planned(shell)["digest"] != digest


def test_only_plans_with_an_audience_need_the_data_export_key(shell: Shell) -> None:
    shell.run("pull", "u1", "u2", "u3", "--out", "users.ndjson")
    shell.environ = {k: v for k, v in shell.environ.items() if k != "LEANPLUM_DATA_EXPORT_KEY"}
    shell.run("validate")
    failed = shell.run("plan", "--observed", "users.ndjson", code=9)
    assert "LEANPLUM_DATA_EXPORT_KEY" in failed.stderr
    text = SPEC.replace("{audience: {userAttribute: tier, equals: gold}}", "{inline: [u1]}")
    (shell.folder / "specs" / "loyalty.yaml").write_text(text)
    shell.run("plan", "--observed", "users.ndjson")


def test_a_killed_plan_takes_up_the_job_that_was_paid(shell: Shell, served: Served) -> None:
    served.hold("getExportResults")
    process = shell.start("plan", "--out", "a.lpplan")
    wait_for(served.holds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    served.release()
    assert planned(shell)["rows"][0]["rows"] == 2
    assert jobs(served) == 1


def test_a_quota_that_is_used_up_says_when_to_try_again(serve: Serve, tmp_path: Path) -> None:
    served = serve(*SEED)
    write_files(tmp_path / "shop", {"leanplum-sync.yaml": PROJECT, "specs/loyalty.yaml": SPEC})
    shell = Shell(tmp_path / "shop", served.environ)
    for _ in range(40):
        with urllib.request.urlopen(
            f"{served.url}/api?action=exportUsers&appId=app_emulator&clientKey=exp_emulator&apiVersion=1.0.6"
        ):
            pass
    failed = shell.run("plan", code=10)
    assert "quota of exportUsers jobs is used up" in failed.stderr
    assert "Or list the users in a file instead of an audience." in failed.stderr


MISTAKES: Final = {
    "nothing": ("{userAttribute: tier}", "the audience says nothing about its attribute"),
    "two": ("{userAttribute: tier, equals: gold, exists: true}", "`exists` can't be used with `equals`"),
    "number": ("{userAttribute: visits, equals: 3}", "whether a value is a number or a text"),
    "digits": ("{userAttribute: visits, equals: '3'}", "may spell this text in several ways"),
    "comma": ("{userAttribute: tier, in: [gold, 'a, b']}", "may spell this text in several ways"),
    "empty": ("{userAttribute: tier, equals: ''}", "may spell this text in several ways"),
    "name": ("{userAttribute: ' tier', exists: true}", "this is not the name of an attribute"),
    "false": ("{userAttribute: tier, exists: false}", "exists"),
    "unknown": ("{userAttribute: tier, atLeast: 3}", "atLeast"),
    "none-of": ("{userAttribute: tier, in: []}", "in"),
    "id": ("{userAttribute: tier, equals: gold}, id: user", "`id` can't be used with `audience`"),
    "file": ("{userAttribute: tier, equals: gold}, file: a.csv", "`file` can't be used with `audience`"),
}
COLUMN: Final = SPEC.replace("loyalty", "column").replace("loyal: true", "loyal: {column: tier}")
ERASURE: Final = """\
apiVersion: leanplum-sync/v1
kind: Erasure
metadata: {name: gone}
spec:
  users: {audience: {userAttribute: tier, equals: gold}}
  full: true
"""
TOKENS: Final = """\
apiVersion: leanplum-sync/v1
kind: PushTokens
metadata: {name: tokens}
spec:
  devices: {audience: {userAttribute: tier, equals: gold}}
  token: {ios: {column: token}}
"""


def test_all_mistakes_are_reported_in_one_run(shell: Shell) -> None:
    for name, (audience, _) in MISTAKES.items():
        text = SPEC.replace("loyalty", name).replace("{userAttribute: tier, equals: gold}", audience)
        (shell.folder / "specs" / f"{name}.yaml").write_text(text)
    more = {"specs/column.yaml": COLUMN, "specs/erasure.yaml": ERASURE, "specs/tokens.yaml": TOKENS}
    write_files(shell.folder, more)
    told = shell.run("validate", code=3).stdout
    problems = shell.json("validate", code=3)["problems"]
    missing = {
        name
        for name, (_, message) in MISTAKES.items()
        if not any(
            f"specs/{name}.yaml" in json.dumps(each) and message in each["message"] for each in problems
        )
    }
    assert missing == set()
    every = " ".join(each["message"] for each in problems)
    assert "an audience has no column tier, only userId" in every
    assert "an audience can't be erased" in every
    assert "an audience lists users, but these rows are about devices" in every
    assert "gold" not in told


EXPECTED: Final = """\
apiVersion: leanplum-sync/v1
kind: Expectations
metadata: {name: sizes}
spec:
  audiences:
    - {userAttribute: tier, equals: gold, atLeast: 1, atMost: 4}
"""
DEPENDENT: Final = SPEC.replace("{name: loyalty}", "{name: loyalty, dependsOn: [Expectations/sizes]}")


def expect(shell: Shell, *lines: str) -> None:
    text = EXPECTED.partition("    - ")[0] + "".join(f"    - {line}\n" for line in lines)
    write_files(shell.folder, {"specs/sizes.yaml": text, "specs/loyalty.yaml": DEPENDENT})


def test_an_audience_of_the_expected_size_is_counted_with_the_job_of_the_rows(
    shell: Shell, served: Served
) -> None:
    expect(shell, "{userAttribute: tier, equals: gold, atLeast: 2, atMost: 3}")
    shell.run("validate")
    assert jobs(served) == 0
    assert planned(shell)["changes"]
    assert shell.json("apply", "a.lpplan", "--yes")["actions"]["done"] == 2
    assert jobs(served) == 1
    assert planned(shell)["isEmpty"]
    shell.run("drift")
    assert jobs(served) == 3  # drift asks for the rows, not for the size


def test_an_audience_that_is_too_small_or_too_large_stops_what_depends_on_it(shell: Shell) -> None:
    expect(
        shell,
        "{userAttribute: tier, equals: gold, atLeast: 3}",
        "{userAttribute: tier, equals: gold, atMost: 2}",
        "{userAttribute: vip, exists: true, atMost: 1}",
        "{userAttribute: vip, equals: true, atLeast: 1, atMost: 1}",
    )
    failed = " ".join(shell.run("plan", "--out", "a.lpplan", code=3).stderr.split())
    perhaps = "has 2 users, and perhaps 1 more whose rows can be read in several ways"
    assert f"the audience of attribute tier {perhaps}, but must have at least 3" in failed
    assert f"the audience of attribute tier {perhaps}, but must have at most 2" in failed
    assert "the audience of attribute vip has 2 users, but must have at most 1" in failed
    assert "This stops UserAttributes/loyalty." in failed
    assert "3 problems" in failed
    assert "gold" not in failed
    assert not (shell.folder / "a.lpplan").exists()


def test_mistakes_in_expected_sizes_are_reported_in_one_run(shell: Shell) -> None:
    mistakes = {
        "{userAttribute: tier, equals: gold}": "nothing is said about the number of users",
        "{userAttribute: tier, atLeast: 1}": "the audience says nothing about its attribute",
        "{userAttribute: tier, equals: gold, exists: true, atLeast: 1}": "`exists` can't be used with `equals`",
        "{userAttribute: tier, equals: gold, atLeast: 3, atMost: 2}": "no number is at least 3 and at most 2",
        "{userAttribute: tier, equals: gold, atLeast: -1}": "atLeast",
        "{userAttribute: tier, equals: gold, atLeast: many}": "atLeast",
        "{userAttribute: tier, equals: 3, atLeast: 1}": "whether a value is a number or a text",
        "{userAttribute: tier, equals: '', atLeast: 1}": "may spell this text in several ways",
        "{userAttribute: '', exists: true, atLeast: 1}": "this is not the name of an attribute",
        "{equals: gold, atLeast: 1}": "userAttribute",
        "{userAttribute: tier, equals: gold, least: 1}": "least",
    }
    expect(shell, *mistakes)
    problems = shell.json("validate", code=3)["problems"]
    told = {
        line: [each for each in problems if each["place"]["line"] == number]
        for number, line in enumerate(mistakes, start=6)
    }
    assert [
        line for line, found in told.items() if not any(mistakes[line] in each["message"] for each in found)
    ] == []


GONE: Final = """\
apiVersion: leanplum-sync/v1
kind: Erasure
metadata: {name: gone}
spec: {users: {inline: [u1]}, full: true}
"""


@pytest.mark.parametrize("environment", ["gone", "live"])
def test_a_user_to_be_erased_is_found_in_an_audience_of_another_spec(
    shell: Shell, served: Served, environment: str
) -> None:
    erasing = PROJECT + "    gone: {appId: app_emulator, writes: development, budget: {erased: 5}}\n"
    write_files(shell.folder, {"leanplum-sync.yaml": erasing, "specs/gone.yaml": GONE})
    shell.environ = served.every_key
    failed = shell.run("plan", "-e", environment, code=3)
    assert "audience:tier:row 1: UserAttributes/loyalty: u1 is to be erased by Erasure/gone" in failed.stderr
