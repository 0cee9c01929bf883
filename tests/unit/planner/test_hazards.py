"""What needs consent is named with its number, and held against the budget of that name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leanplum_sync.planner.audit import Audit, AuditBound, AuditGoal
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.hazards import Repeats, hazards
from leanplum_sync.planner.plan import Cost, Summary
from leanplum_sync.project.model import BudgetModel
from leanplum_sync.render.plan_words import HAZARD_WORDS, over_budget

CHANGES = {
    ChangeKind.SEND: 2,
    ChangeKind.CREATE: 1,
    ChangeKind.REMOVE: 3,
    ChangeKind.RENAME: 4,
    ChangeKind.RENAMED_AWAY: 4,
    ChangeKind.INCREMENT: 5,
    ChangeKind.UNSUBSCRIBE: 8,
    ChangeKind.ERASE: 6,
    ChangeKind.BLOCK: 7,
    ChangeKind.RESUBSCRIBE: 9,
    ChangeKind.EVENT: 5,
    ChangeKind.EVENT_TOTAL: 4,
    ChangeKind.VARIABLE: 5,
    ChangeKind.VARIABLE_GONE: 2,
    ChangeKind.THING_CREATED: 9,
    ChangeKind.THING_UPDATED: 9,
    ChangeKind.THING_REPLACED_AWAY: 3,
    ChangeKind.THING_REPLACED: 9,
    ChangeKind.THING_REMOVED: 4,
}
COUNTS = {
    "erased": 13,
    "erasedBefore": 4,
    "sends": 2,
    "repeatedSends": 1,
    "suspectedRename": 2,
    "events": 9,
    "repeatedEvents": 3,
    "triggersCampaigns": 8,
    "forcedSends": 1,
    "createdUsers": 1,
    "resubscribes": 9,
    "variables": 7,
    "replaced": 3,
    "removed": 4,
    "removals": 3,
    "unsubscribes": 8,
    "renames": 4,
    "increments": 5,
    "inRunningTest": 2,
    "newAttributeNames": 6,
    "duringMigration": 30,
    "assumed": 60,
    "unseen": 70,
    "audit": 7,
    "changedUsers": 30,
    "changedShare": 31,
    "billableLookups": 127,
}


AUDIT = Audit(AuditBound(60, 5, 0, 7, 99), AuditGoal(share=20))


def summary(changed: int = 30, listed: int = 97) -> Summary:
    cost = Cost(97, 30, 30, 1, 40, 60, 0, 0.0)
    return Summary(
        listed, changed, 0, 1, CHANGES, 1, 40, cost, 60, 1.8e9, 70, AUDIT, triggered=8, tested=("a", "b")
    )


def test_every_hazard_has_its_count() -> None:
    found = {
        hazard.name: hazard.count
        for hazard in hazards(summary(), 1, {}, 6, is_migrating=True, repeats=Repeats(1, 2, 3, 4))
    }
    assert found == COUNTS
    assert list(found) == list(HAZARD_WORDS)


def test_every_hazard_can_have_a_budget_and_every_budget_is_of_a_hazard() -> None:
    of_a_month = {"billableLookupsPerMonth"}  # of all commands, so it is no hazard of one plan
    of_audit = {"audit"}  # the limit is that of the project's `audit`
    assert BudgetModel().model_dump(by_alias=True).keys() - of_a_month == COUNTS.keys() - of_audit


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "audit"])
def test_a_hazard_is_over_a_budget_below_its_count_and_not_at_it(name: str) -> None:
    for allowed, over in ((COUNTS[name] - 1, [name]), (COUNTS[name], [])):
        found = hazards(summary(), 1, {name: allowed}, 6, is_migrating=True, repeats=Repeats(1, 2, 3, 4))
        assert [hazard.name for hazard in found if hazard.is_over] == over
        assert over_budget(found).endswith(f"(budget {allowed})" if over else "")


@pytest.mark.parametrize(("share", "is_over"), [(11, True), (12, False)])
def test_an_audit_is_over_the_limit_of_its_goal(share: float, *, is_over: bool) -> None:
    found = hazards(replace(summary(), audit=Audit(AUDIT.bound, AuditGoal(share))), 0, {"audit": 100})
    [audit] = [hazard for hazard in found if hazard.name == "audit"]
    assert (audit.count, audit.allowed, audit.is_over) == (7, 60 * share // 100, is_over)


@pytest.mark.parametrize(
    ("changed", "listed", "share"), [(1, 1000, 1), (500, 1000, 50), (501, 1000, 51), (7, 7, 100)]
)
def test_a_share_is_rounded_up(changed: int, listed: int, share: int) -> None:
    found = {hazard.name: hazard.count for hazard in hazards(summary(changed, listed), 0, {})}
    assert found["changedShare"] == share


def test_who_lists_nobody_changes_no_share() -> None:
    assert "changedShare" not in {hazard.name for hazard in hazards(summary(0, 0), 0, {})}
