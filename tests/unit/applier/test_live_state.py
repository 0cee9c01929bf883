"""The last look before writing, and the first after a doubt."""

from __future__ import annotations

from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.applier.live_state import recheck, settle
from leanplum_sync.applier.settings import ApplySettings, Recheck, recheck_is_due
from leanplum_sync.journal.entry import Fate
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.batch import DeliveryKey, PlannedAction
from leanplum_sync.wire.profile import NO_PROFILE, Profile

USER = Subject.user("u1")
HERE = Place("specs/a.yaml", 1)
TIER = Change(USER, "A/a", ChangeKind.SET, "tier", "silver", "gold", HERE, HERE)
VISITS = Change(USER, "A/a", ChangeKind.INCREMENT, "visits", 5, 1, HERE, HERE)
MORE_VISITS = Change(USER, "B/b", ChangeKind.INCREMENT, "visits", 5, 1, HERE, HERE)
CREATE = Change(USER, "A/a", ChangeKind.CREATE, "", None, None, HERE, HERE)


def action(number: int, delivery_class: DeliveryClass, *resources: str, **arguments: Any) -> PlannedAction:
    keys = tuple(DeliveryKey(resource, USER, resource) for resource in resources)
    return PlannedAction(number, USER, delivery_class, Action("setUserAttributes", arguments), keys)


SET_TIER = action(1, DeliveryClass.REPEATABLE, userAttributes={"tier": "gold"})
ADD_VISIT = action(2, DeliveryClass.CHECKABLE, "A/a", userAttributeValuesToIncrement={"visits": 1})
SEND = PlannedAction(
    3, USER, DeliveryClass.ONCE, Action("sendMessage", {}), (DeliveryKey("once", USER, "M/m"),)
)


def profile(**attributes: Any) -> Profile:
    return Profile(exists=True, attributes=attributes, fields={}, devices={})


def fates(verdicts: Any) -> dict[int, Fate]:
    return {number: verdict.fate for number, verdict in verdicts.items()}


def test_what_is_as_planned_is_written() -> None:
    assert not recheck([SET_TIER], [TIER], profile(tier="silver"), begun=False)


def test_what_is_as_desired_already_is_not_written() -> None:
    assert fates(recheck([SET_TIER], [TIER], profile(tier="gold"), begun=False)) == {1: Fate.ALREADY}


def test_what_somebody_else_changed_is_a_conflict_that_names_the_field_and_not_the_value() -> None:
    verdicts = recheck([SET_TIER], [TIER], profile(tier="platinum"), begun=False)
    assert fates(verdicts) == {1: Fate.CONFLICTING}
    assert verdicts[1].message == "changed by someone else since the plan was made: tier"


def test_a_user_who_vanished_is_a_conflict_and_one_to_be_created_is_not() -> None:
    assert fates(recheck([SET_TIER, ADD_VISIT], [TIER, VISITS], NO_PROFILE, begun=False)) == {
        1: Fate.CONFLICTING,
        2: Fate.CONFLICTING,
    }
    assert not recheck([ADD_VISIT], [CREATE, VISITS], NO_PROFILE, begun=False)


def test_a_counter_that_went_on_is_no_conflict_and_never_counts_as_done() -> None:
    for visits in (5, 6, 99):
        assert not recheck([ADD_VISIT], [VISITS], profile(visits=visits), begun=False)


def test_a_conflict_in_what_comes_later_stops_a_subject_before_its_first_batch_only() -> None:
    later = profile(tier="platinum", visits=5)
    assert fates(recheck([ADD_VISIT], [TIER, VISITS], later, begun=False)) == {2: Fate.CONFLICTING}
    assert not recheck([ADD_VISIT], [TIER, VISITS], later, begun=True)


@pytest.mark.claim("resend-the-rest")
def test_a_repeatable_doubt_is_done_or_sent_again() -> None:
    assert fates(settle([SET_TIER], [TIER], profile(tier="gold"))) == {1: Fate.DONE}
    assert not settle([SET_TIER], [TIER], profile(tier="silver"))
    assert not settle([SET_TIER], [TIER], profile(tier="platinum"))


@pytest.mark.parametrize(("visits", "fate"), [(6, Fate.DONE), (5, Fate.HELD), (7, Fate.HELD)])
def test_an_increment_in_doubt_is_done_at_the_exact_sum_and_held_otherwise(visits: Any, fate: Any) -> None:
    assert fates(settle([ADD_VISIT], [VISITS], profile(visits=visits))) == {2: fate}


def test_an_increment_in_doubt_is_held_when_another_one_of_the_plan_may_have_made_the_sum() -> None:
    assert fates(settle([ADD_VISIT], [VISITS, MORE_VISITS], profile(visits=6))) == {2: Fate.HELD}
    assert fates(settle([ADD_VISIT], [VISITS, MORE_VISITS], profile(visits=7))) == {2: Fate.HELD}


def test_a_send_in_doubt_is_held_whatever_is_read() -> None:
    assert fates(settle([SEND], [], profile())) == {3: Fate.HELD}


def test_the_look_before_writing_is_due_when_the_snapshot_is_older_than_ten_minutes() -> None:
    assert not recheck_is_due(ApplySettings(observed_at=1000), 1600)
    assert recheck_is_due(ApplySettings(observed_at=1000), 1601)
    assert recheck_is_due(ApplySettings(), 0)
    assert recheck_is_due(ApplySettings(recheck=Recheck.ON, observed_at=1000), 1000)
    assert not recheck_is_due(ApplySettings(recheck=Recheck.OFF), 0)
