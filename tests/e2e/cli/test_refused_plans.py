"""A plan that may not be applied is refused for the same reason whoever applies it: the command line or a Python program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from forging import forge
from shell import Command

from leanplum_sync import LeanplumSyncError, Plan, Project, apply
from leanplum_sync.cli.exit_codes import exit_code
from leanplum_sync.cli.output.sentences import sentence_of
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import (
    ExpiredPlanError,
    HazardNotAllowedError,
    MismatchKind,
    PlanMismatchError,
    UsageError,
)

PLAN = Path(".leanplum-sync/sandbox.lpplan")


@pytest.fixture
def sending(shop_that_sends: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a budget for its two sends; the working folder."""
    monkeypatch.chdir(shop_that_sends)
    project = Path("leanplum-sync.yaml")
    project.write_text(project.read_text().replace("sends: 1000,", "sends: 0,"))
    return shop_that_sends


@dataclass(frozen=True)
class Case:
    """*spoil* gets the plan's path, in the project folder, after planning. *reason* is a value that the error carries."""

    spoil: Callable[[Path], None]
    code: int
    reason: Callable[[LeanplumSyncError], object]
    expected: object


def kinds(error: LeanplumSyncError) -> object:
    assert isinstance(error, PlanMismatchError)
    return {mismatch.kind for mismatch in error.mismatches}


def over(error: LeanplumSyncError) -> object:
    assert isinstance(error, HazardNotAllowedError)
    return error.over


def allowed_age(error: LeanplumSyncError) -> object:
    assert isinstance(error, ExpiredPlanError)
    assert error.age_seconds > error.max_age_seconds
    return error.max_age_seconds


def leave(_plan: Path) -> None:
    pass


def change_inputs(_plan: Path) -> None:
    spec = Path("specs/loyalty.yaml")
    spec.write_text(spec.read_text() + "# reviewed\n")


def remove_input(_plan: Path) -> None:
    Path("specs/hello.yaml").unlink()


def for_target(app: str, host: str) -> Callable[[Path], None]:
    def change(plan: Path) -> None:
        forge(
            plan,
            f"UPDATE meta SET value = json_set(value, '$[0]', '{app}', '$[2]', '{host}') WHERE key = 'target'",
        )

    return change


APP, HOST = "app_emulator", "embedded emulator"
CASES = {
    "over budget": Case(leave, 6, over, {"sends": 2}),
    "other inputs": Case(change_inputs, 7, kinds, {MismatchKind.INPUT_CHANGED}),
    "an input is missing": Case(remove_input, 7, kinds, {MismatchKind.INPUT_MISSING}),
    "another app": Case(for_target("app_other", HOST), 7, kinds, {MismatchKind.APP}),
    "another host": Case(for_target(APP, "api.example.com"), 7, kinds, {MismatchKind.HOST}),
    "another environment": Case(
        lambda plan: forge(
            plan, "UPDATE meta SET value = json_set(value, '$[1]', 'staging') WHERE key = 'target'"
        ),
        7,
        kinds,
        {MismatchKind.ENVIRONMENT},
    ),
    "an unknown action": Case(
        lambda plan: forge(plan, "UPDATE action SET name = 'startCampaign' WHERE number = 1"),
        7,
        kinds,
        {MismatchKind.ACTION},
    ),
    "an action that needs another key": Case(
        lambda plan: forge(plan, "UPDATE action SET name = 'deleteUser' WHERE number = 1"),
        7,
        kinds,
        {MismatchKind.ACTION, MismatchKind.HAZARD},
    ),
    "hazards are forged": Case(
        lambda plan: forge(plan, "UPDATE hazard SET count = 0 WHERE name = 'sends'"),
        7,
        kinds,
        {MismatchKind.HAZARD},
    ),
    "a call is about another user": Case(
        lambda plan: forge(
            plan, "UPDATE action SET arguments = json_set(arguments, '$.userId', 'ceo') WHERE number = 1"
        ),
        7,
        kinds,
        {MismatchKind.SUBJECT},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("caller", ["library", "command line"])
def test_a_plan_that_may_not_be_applied_is_refused_whoever_applies_it(
    caller: str,
    case: Case,
    sending: Path,
    command: Command,
) -> None:
    assert command("plan").returncode == 6
    case.spoil(PLAN)
    error = refusal(PLAN)
    assert case.reason(error) == case.expected
    assert exit_code(error) == case.code
    if caller == "command line":
        refused = command("apply", str(PLAN), "--yes", "-e", "sandbox")
        assert refused.returncode == case.code
        assert sentence_of(error) in refused.stderr
    assert "No runs yet" in command("status").stdout


def test_a_plan_for_an_environment_that_the_project_no_longer_has_is_refused(
    sending: Path, command: Command
) -> None:
    assert command("plan").returncode == 6
    project = Path("leanplum-sync.yaml")
    project.write_text(project.read_text().replace("sandbox", "rehearsal"))
    refused = command("apply", str(PLAN), "--yes")
    assert (refused.returncode, "environment sandbox" in refused.stderr) == (7, True), refused.stderr


def refusal(plan: Path) -> LeanplumSyncError:
    with pytest.raises(LeanplumSyncError) as caught:
        apply(Plan.open(plan, Project.find()))
    return caught.value


@pytest.mark.parametrize("caller", ["library", "command line"])
def test_a_plan_that_is_too_old_is_refused_whoever_applies_it(
    caller: str, shop: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    project = Path("leanplum-sync.yaml")
    project.write_text(project.read_text() + "  limits: {planHours: 1}\n")
    assert command("plan").returncode == 0
    opened = Plan.open(PLAN, Project.find())
    monkeypatch.setattr(SystemClock, "now", lambda _: opened.created_at + 7200)
    error = refusal(PLAN)
    assert allowed_age(error) == 3600
    assert exit_code(error) == 7
    if caller == "command line":
        refused = command("apply", str(PLAN), "--yes", "-e", "sandbox")
        assert (refused.returncode, sentence_of(error) in refused.stderr) == (7, True)


def test_an_age_of_zero_allows_no_plan_whoever_applies_it(
    shop: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    assert command("plan").returncode == 0
    opened = Plan.open(PLAN, Project.find())
    monkeypatch.setattr(SystemClock, "now", lambda _: opened.created_at + 1)
    with pytest.raises(ExpiredPlanError):
        apply(opened, max_age_seconds=0)
    assert command("apply", str(PLAN), "--yes", "--max-age", "0s").returncode == 7


def test_numbers_with_which_nothing_could_be_sent_are_refused_whoever_applies_it(
    shop: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    assert command("plan").returncode == 0
    opened = Plan.open(PLAN, Project.find())
    for concurrency, rate in ((0, None), (-1, None), (None, 0), (None, -1)):
        with pytest.raises(UsageError):
            apply(opened, concurrency=concurrency, requests_per_second=rate)
    for option in ("--concurrency", "--rate"):
        assert command("apply", str(PLAN), "--yes", option, "0").returncode == 64


def test_consent_by_the_plans_own_numbers_is_enough_for_both(sending: Path, command: Command) -> None:
    command("plan")
    planned = Plan.open(PLAN, Project.find())
    with pytest.raises(HazardNotAllowedError) as caught:
        apply(planned, accept={"sends": 3})
    assert caught.value.wrong == (("sends", 3),)
    receipt = apply(planned, accept=planned.over_budget)
    assert receipt.complete
    again = command("apply", str(PLAN), "--yes", "--ack", "sends=2", "-o", "json")
    assert again.returncode == 0
