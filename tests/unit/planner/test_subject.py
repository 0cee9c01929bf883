"""What several resources ask of one user meets in one plan, and each thing is planned once."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.kinds.rows.desires import (
    AlterList,
    Desire,
    IncrementAttribute,
    SetAttribute,
    SetDeviceField,
    Want,
)
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.profile import Profile

HERE = Place("a.yaml", 1, 1)
NAMES = [ResourceAddress("UserAttributes", name) for name in ("one", "two")]
CONTEXT = Context(dict.fromkeys(NAMES, 0), {})


def plan(*desires: Desire, **attributes: Any) -> SubjectPlan:
    wants = [
        Want(address, Subject.user("u1"), create=False, found_at=HERE, desires=(desire,))
        for address, desire in zip(NAMES, desires, strict=False)
    ]
    profile = Profile(exists=True, attributes=attributes, fields={}, devices={"d1": {}})
    return plan_subject(wants, profile, NOTHING_KNOWN, CONTEXT)


def arguments(found: SubjectPlan) -> list[dict[str, Any]]:
    return [dict(planned.action.arguments) for actions in found.actions.values() for planned in actions]


def test_a_value_that_two_resources_ask_for_is_planned_once() -> None:
    found = plan(SetAttribute("vip", True, HERE), SetAttribute("vip", "True", HERE))
    assert [change.resource for change in found.changes] == ["UserAttributes/one"]


def test_an_item_that_two_resources_add_is_added_once() -> None:
    found = plan(AlterList("tags", ("a", "b"), (), HERE), AlterList("tags", ("b", "c"), (), HERE), tags=["x"])
    assert [(change.before, change.after) for change in found.changes] == [
        (["x"], ["a", "b"]),
        (["x"], ["c"]),
    ]
    (action,) = arguments(found)
    assert action["userAttributeValuesToAdd"] == {"tags": ["a", "b", "c"]}


def test_increments_of_one_attribute_under_two_names_add_up() -> None:
    found = plan(
        IncrementAttribute("visits", 1, "may", HERE), IncrementAttribute("visits", 2, "june", HERE), visits=5
    )
    (action,) = arguments(found)
    assert action["userAttributeValuesToIncrement"] == {"visits": 3}
    assert {change.before for change in found.changes} == {5}


def test_a_device_that_the_user_has_is_never_created_and_a_new_one_may_be() -> None:
    found = plan(
        SetDeviceField("d1", "iosPushToken", "aa", HERE), SetDeviceField("d2", "iosPushToken", "bb", HERE)
    )
    assert [(each["deviceId"], each["createDisposition"]) for each in arguments(found)] == [
        ("d1", "CreateNever"),
        ("d2", "CreateIfNeeded"),
    ]


def test_a_value_that_can_not_be_altered_leaves_the_user_alone_and_says_why() -> None:
    found = plan(
        AlterList("tags", ("a",), (), HERE),
        IncrementAttribute("visits", 1, "may", HERE),
        tags="x",
        visits="5",
    )
    assert found.changes == ()
    assert [decision.reason.name for decision in found.decisions] == ["NOT_A_LIST", "NOT_WHOLE"]


@pytest.mark.parametrize("value", [5.0, "5", True, [5]])
def test_only_what_is_kept_as_a_whole_number_is_incremented(value: Any) -> None:
    found = plan(IncrementAttribute("visits", 1, "may", HERE), visits=value)
    assert (found.changes, [decision.reason.name for decision in found.decisions]) == ((), ["NOT_WHOLE"])


def test_attributes_come_before_what_is_counted() -> None:
    found = plan(IncrementAttribute("visits", 1, "may", HERE), SetAttribute("tier", "gold", HERE))
    assert [phase[1].value for phase in found.actions] == ["repeatable", "checkable"]
    assert {change.kind for change in found.changes} == {ChangeKind.INCREMENT, ChangeKind.SET}
