"""With receipts, no lost answer leaves an increment in doubt: a read tells."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import pytest

from leanplum_sync.journal.entry import Fate

MARKER = "last_increment"


@pytest.fixture
def marked(world: ModuleType) -> Any:
    return partial(world.plan_for, marker=MARKER)


@pytest.mark.parametrize("fault", ["cut-after", "cut-before", "cut-half", "truncated", "short", "html"])
def test_each_increment_counts_once_whatever_happened_to_the_answer(
    fault: str, run: Any, api: Any, marked: Any, world: ModuleType
) -> None:
    # Somebody else counts there too: the sum proves nothing.
    api.set("u000", visits=100)
    api.faults(f"{fault}:action=setUserAttributes,times=2")
    receipt = run(plan=marked("increments")).go()
    assert receipt.actions[Fate.DONE] == receipt.planned == 12
    assert api.increments() == {user: {"visits": 1} for user in world.USERS}
    assert api.user("u000")["userAttributes"]["visits"] == 101


def test_without_receipts_the_same_is_held(run: Any, api: Any) -> None:
    api.faults("cut-before:action=setUserAttributes,times=2")
    assert run("increments").go().actions[Fate.HELD] == 6


def test_the_receipt_is_no_change_and_no_difference(
    marked: Any, world: ModuleType, run: Any, api: Any
) -> None:
    plan = marked("everything")
    assert MARKER not in {change.field for changes in plan.changes.values() for change in changes}
    assert run(plan=plan).go().complete
    user = api.user("u003")["userAttributes"]
    assert len(user.pop(MARKER)) == 32
    assert user == {"tier": "gold", "visits": 6, "interests": ["running"]}
