"""The ledger of costs: it equals the emulator's count of billable lookups, whatever commands ran."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from shell import Serve, Served, Shell, Start
from waiting import wait_for

from leanplum_sync.journal.ledger import Cost, read_ledger

PROJECT = """\
apiVersion: leanplum-sync/v1
kind: Project
metadata: {name: shop}
spec:
  defaultEnvironment: live
  environments:
    live:
      appId: {env: LEANPLUM_APP_ID}
      budget: {createdUsers: 100}
      limits: {readInBatches: %s, requestsPerSecond: 1000}
"""
SPEC = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers, owner: crm@example.com, description: Tiers of customers.}
spec:
  createUsers: true
  users: {file: ../users.csv, id: id}
  attributes:
    tier: {column: tier}
    visits: {column: visits, type: integer}
"""
_ROWS_CHANGE = 0.2
USERS = [f"u{number:02}" for number in range(14)]  # the last two are not known to the app


def shop(folder: Path, served: Served, *, in_batches: bool) -> Shell:
    (folder / "specs").mkdir(parents=True)
    (folder / "leanplum-sync.yaml").write_text(PROJECT % str(in_batches).lower())
    (folder / "specs" / "tiers.yaml").write_text(SPEC)
    return Shell(folder, served.every_key)


def served_shop(tmp_path: Path, serve: Serve, *, in_batches: bool = False) -> tuple[Shell, Served]:
    served = serve(*({"userId": user, "userAttributes": {"tier": "silver"}} for user in USERS[:-2]))
    return shop(tmp_path / "shop", served, in_batches=in_batches), served


def costs(shell: Shell) -> Sequence[Cost]:
    with read_ledger(shell.journal) as ledger:
        return ledger.costs() if ledger else ()


def spent(shell: Shell) -> dict[str, int]:
    found = costs(shell)
    return {
        "reads": sum(cost.read_lookups for cost in found),
        "writes": sum(cost.write_lookups for cost in found),
        "total": sum(cost.lookups for cost in found),
    }


def write_rows(shell: Shell, choices: random.Random) -> None:
    rows = [
        f"{user},{choices.choice(('gold', 'silver', ''))},{choices.randrange(3)}"
        for user in sorted(choices.sample(USERS, choices.randrange(1, len(USERS))))
    ]
    (shell.folder / "users.csv").write_text("\n".join(["id,tier,visits", *rows, ""]))


def any_command(shell: Shell, choices: random.Random) -> Sequence[str]:
    """Return a command that is likely to succeed. Some may be refused after they have read."""
    user = choices.choice(USERS)
    runs = [cost.run for cost in costs(shell) if cost.command == "apply" and cost.run]
    plan = ".leanplum-sync/live.lpplan"
    return choices.choice(
        [
            ["pull", "--out", f"pulled-{choices.randrange(3)}.ndjson"],
            ["pull", user, "--out", "one.ndjson"],
            ["plan"],
            ["plan"],
            ["apply", plan, "--yes", "--verify", choices.choice(("all", "none", "3"))],
            ["apply", plan, "--yes", "--recheck", "on"],
            ["drift"],
            ["adopt", "--all", "--dry-run"],
            ["call", "exportUser", f"userId={user}"],
            ["call", "setUserAttributes", f"userId={user}", 'userAttributes={"tier": "bronze"}', "--yes"],
            ["undo", str(choices.choice(runs))] if runs else ["status"],
        ]
    )


def run_commands(shell: Shell, served: Served, seed: int, count: int) -> Counter[str]:
    choices = random.Random(seed)
    told: Counter[str] = Counter()
    for number in range(count):
        if number == 0 or choices.random() < _ROWS_CHANGE:
            write_rows(shell, choices)
        command = any_command(shell, choices)
        process = shell.start(*command)
        out, err = process.communicate(timeout=600)
        assert "Traceback" not in out + err
        told[f"{command[0]} {process.returncode}"] += 1
        assert spent(shell) == served.counts()["billableLookups"], (seed, number, command, out, err)
    return told


def test_the_ledger_equals_the_count_of_the_emulator(tmp_path: Path, serve: Serve) -> None:
    shell, served = served_shop(tmp_path, serve)
    write_rows(shell, random.Random(1))
    forecast = shell.json("plan")["cost"]
    planned = costs(shell)
    shell.run("apply", ".leanplum-sync/live.lpplan", "--yes", "--verify", "none")
    counted = served.counts()["billableLookups"]
    assert (forecast["reads"], forecast["writes"]) == (counted["reads"], counted["writes"])
    shell.run("call", "exportUser", "userId=u01")
    assert spent(shell) == served.counts()["billableLookups"]
    assert [cost.command for cost in costs(shell)] == ["plan", "apply", "call"]
    applied = costs(shell)[1]
    assert (applied.run, applied.plan_digest) == (1, planned[0].plan_digest)
    assert applied.plan_digest is not None


@pytest.mark.campaign
@pytest.mark.parametrize("in_batches", [False, True])
@pytest.mark.parametrize("seed", [2, 3])
def test_the_ledger_equals_the_count_of_the_emulator_over_50_commands(
    tmp_path: Path, serve: Serve, seed: int, *, in_batches: bool
) -> None:
    shell, served = served_shop(tmp_path, serve, in_batches=in_batches)
    told = run_commands(shell, served, seed, 50)
    succeeded = {each.split()[0] for each in told if each.endswith(" 0")}
    assert succeeded >= {"pull", "plan", "apply"}


def test_what_would_exceed_the_budget_of_the_month_is_refused_before_it_is_paid(
    tmp_path: Path, serve: Serve
) -> None:
    served = serve({"userId": "u1"}, {"userId": "u2"}, {"userId": "u3"})
    shell = shop(tmp_path / "shop", served, in_batches=False)
    project = shell.folder / "leanplum-sync.yaml"
    project.write_text(
        project.read_text().replace("createdUsers: 100", "createdUsers: 100, billableLookupsPerMonth: 5")
    )
    (shell.folder / "users.csv").write_text("id,tier,visits\nu1,gold,1\nu2,gold,1\nu3,gold,1\n")
    plan, apply = ["plan"], ["apply", ".leanplum-sync/live.lpplan", "--yes", "--verify", "none"]

    refused = shell.run(*plan, code=6)  # it may read three, but not change them
    assert (
        "apply needs 6 billable lookups, and live used 3 this month. Together, these are 9; the budget allows 5"
        in refused.stderr
    )
    shell.run(*apply, code=6)
    assert served.counts()["billableLookups"]["total"] == 3
    shell.run(*apply, "--allow-lookups", "6")
    again = shell.run(*apply)
    assert "Error" not in again.stderr
    for command in (
        ["plan"],
        ["pull", "--out", "all.ndjson"],
        ["drift"],
        ["adopt", "--dry-run"],
        ["undo", "1"],
    ):
        error = shell.run(*command, code=6).stderr
        assert f"{command[0]} needs 3 billable lookups, and live used 6 this month" in error
        assert "--allow-lookups 9" in error
    assert served.counts()["billableLookups"]["total"] == spent(shell)["total"] == 6
    shell.run("pull", "--out", "all.ndjson", "--allow-lookups", "9")

    [live] = shell.json("status", "--costs")["environments"]
    assert (live["lookups"], live["budget"], live["isOver"]) == (9, 5, True)
    assert [each["command"] for each in live["commands"]] == ["apply", "plan", "pull"]
    assert "the forecast is over it" in shell.run("status", "--costs").stdout
    shell.run("status", "--costs", "-o", "html", code=64)


@pytest.mark.parametrize("recheck", ["on", "off"])
@pytest.mark.parametrize("verify", ["all", "3", "none"])
def test_a_receipt_has_the_lookups_that_the_emulator_counts(
    tmp_path: Path, serve: Serve, recheck: str, verify: str
) -> None:
    shell, served = served_shop(tmp_path, serve)
    write_rows(shell, random.Random(2))
    shell.run("plan")
    before = served.counts()["billableLookups"]
    options = ("--yes", "--recheck", recheck, "--verify", verify)
    receipt = shell.json("apply", ".leanplum-sync/live.lpplan", *options)
    after = served.counts()["billableLookups"]
    verified = receipt["verification"] or {"checked": 0, "again": 0}
    reads = receipt["recheckReads"] + receipt["settleReads"] + verified["checked"] + verified["again"]
    assert reads == after["reads"] - before["reads"]
    assert receipt["billableLookups"] == after["writes"] - before["writes"] > 0


def test_a_killed_command_leaves_what_it_cost_but_for_the_last_slice(
    tmp_path: Path, serve: Serve, start: Start
) -> None:
    served = serve({"userId": "u0"})
    shell = shop(tmp_path / "shop", served, in_batches=False)
    (shell.folder / "many.csv").write_text("\n".join(["id", *(f"u{number}" for number in range(400)), ""]))
    served.hold("exportUser", after=230)
    pulling = start(shell, "pull", "--from", "many.csv", "--id", "id", "--out", "users.ndjson")
    wait_for(lambda: served.holds() and spent(shell)["reads"] > 200)
    pulling.kill()
    pulling.wait()
    [cost] = costs(shell)
    assert cost.command == "pull"
    assert 200 < cost.read_lookups <= 230
