"""Which subscriptions are planned: leaving always, returning once a consent, and only if nobody left since."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.applier.live_state import recheck, settle
from leanplum_sync.journal.entry import Fate
from leanplum_sync.kinds.rows.desires import Desire, SetAttribute, SetSubscription, Want
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.known import NOTHING_KNOWN, Known
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.profile import Profile

HERE = Place("a.yaml", 1, 1)
USER = Subject.user("u1")
NAME = ResourceAddress("Subscriptions", "one")
CONTEXT = Context({NAME: 0}, {}, marker="receipt")
LEAVE = SetSubscription("Email", "unsubscribed", None, HERE)
RETURN = SetSubscription("Email", "subscribed", 1.7e9, HERE)
IN = Profile(exists=True, attributes={}, fields={}, devices={})
OUT = replace(IN, subscriptions={"Email": "unsubscribed"})


def plan(*desires: Desire, profile: Profile = OUT, known: Known = NOTHING_KNOWN) -> SubjectPlan:
    want = Want(NAME, USER, create=False, found_at=HERE, desires=desires)
    return plan_subject([want], profile, known, CONTEXT)


def reasons(found: SubjectPlan) -> list[Reason]:
    return [decision.reason for decision in found.decisions]


@pytest.mark.parametrize(
    ("desire", "profile"), [(LEAVE, OUT), (RETURN, IN), (RETURN, replace(IN, exists=True))]
)
def test_who_is_as_desired_is_left_alone(desire: Desire, profile: Profile) -> None:
    found = plan(desire, profile=profile)
    assert reasons(found) == [Reason.SAME]
    assert found.actions == {}


def test_unsubscribing_travels_with_the_users_attributes() -> None:
    found = plan(SetAttribute("tier", "gold", HERE), LEAVE, profile=IN)
    ((phase, (planned,)),) = found.actions.items()
    assert phase == (0, DeliveryClass.REPEATABLE)
    assert planned.action.arguments == {
        "userId": "u1",
        "createDisposition": "CreateNever",
        "unsubscribeChannelsToAdd": "Email",
        "userAttributes": {"tier": "gold"},
    }
    assert planned.deliveries == ()


def test_a_re_subscription_is_an_action_of_its_own_that_the_journal_remembers() -> None:
    found = plan(SetAttribute("tier", "gold", HERE), RETURN)
    (planned,) = found.actions[0, DeliveryClass.CHECKABLE]
    assert planned.action.arguments == {
        "userId": "u1",
        "createDisposition": "CreateNever",
        "unsubscribeChannelsToRemove": "Email",
    }
    assert [key.name for key in planned.deliveries] == [RETURN.delivery]
    assert "1700000000" not in RETURN.delivery


@pytest.mark.parametrize(
    ("left_at", "reason"),
    [
        (None, Reason.DIFFERS),
        (1.6e9, Reason.DIFFERS),
        (1.7e9, Reason.DIFFERS),
        (1.7e9 + 1, Reason.CONSENT_OLDER),
    ],
)
def test_a_consent_counts_only_if_the_user_has_not_left_since(left_at: float | None, reason: Reason) -> None:
    assert reasons(plan(RETURN, profile=replace(OUT, unsubscribed_at=left_at))) == [reason]


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        ({"Email": 1.6e9}, Reason.DIFFERS),
        ({"Email": 1.7e9 + 1}, Reason.CONSENT_OLDER),
        ({"Webhook": 1.8e9, "category 5": 1.8e9}, Reason.DIFFERS),
    ],
)
def test_an_unsubscription_by_a_run_counts_though_the_api_shows_no_date(
    left: dict[str, float], reason: Reason
) -> None:
    assert reasons(plan(RETURN, known=Known(unsubscribed=left))) == [reason]
    actions, found = in_doubt(RETURN, OUT)
    verdicts = recheck(actions, found.changes, OUT, begun=False, unsubscribed=left)
    assert bool(verdicts) == (reason is Reason.CONSENT_OLDER)


def test_a_consent_is_used_once_though_the_api_shows_no_date() -> None:
    known = Known(delivered={RETURN.delivery: str(NAME)})
    assert reasons(plan(RETURN, known=known)) == [Reason.CONSENT_USED]
    later = replace(RETURN, consented_at=1.8e9)
    assert reasons(plan(later, known=known)) == [Reason.DIFFERS]


def test_a_re_subscription_that_a_run_holds_waits_for_a_person() -> None:
    known = Known(delivered={RETURN.delivery: str(NAME)}, held={RETURN.delivery: 3})
    (decision,) = plan(RETURN, known=known).decisions
    assert (decision.reason, decision.held_by) == (Reason.HELD, 3)


def test_a_consent_to_one_channel_is_none_to_another() -> None:
    other = replace(RETURN, name="Webhook")
    assert other.delivery != RETURN.delivery


def in_doubt(desire: Desire, profile: Profile) -> tuple[list[PlannedAction], SubjectPlan]:
    found = plan(desire, profile=profile)
    return [
        PlannedAction(1, USER, phase[1], own.action, own.deliveries)
        for phase, actions in found.actions.items()
        for own in actions
    ], found


def test_a_doubtful_re_subscription_is_done_or_waits_for_a_person() -> None:
    actions, found = in_doubt(RETURN, OUT)
    assert settle(actions, found.changes, IN)[1].fate is Fate.DONE
    # It may have been applied, and the user may have left again since.
    assert settle(actions, found.changes, OUT)[1].fate is Fate.HELD


def test_a_doubtful_unsubscription_is_done_or_sent_again() -> None:
    actions, found = in_doubt(LEAVE, IN)
    assert settle(actions, found.changes, OUT)[1].fate is Fate.DONE
    assert settle(actions, found.changes, IN) == {}


def test_what_somebody_else_did_meanwhile_is_not_done_again() -> None:
    actions, found = in_doubt(RETURN, OUT)
    assert recheck(actions, found.changes, IN, begun=False)[1].fate is Fate.ALREADY
    assert recheck(actions, found.changes, OUT, begun=False) == {}


def test_a_plan_says_what_becomes_of_each_channel() -> None:
    found = plan(LEAVE, SetSubscription("category 5", "subscribed", 1.7e9, HERE), profile=replace(
        IN, subscriptions={"category 5": "unsubscribed"}
    ))  # fmt: skip
    shown: list[tuple[Any, ...]] = [
        (each.kind, each.field, each.before, each.after) for each in found.changes
    ]
    assert shown == [
        (ChangeKind.UNSUBSCRIBE, "Email", "subscribed", "unsubscribed"),
        (ChangeKind.RESUBSCRIBE, "category 5", "unsubscribed", "subscribed"),
    ]


@pytest.mark.parametrize(
    ("left_at", "fates"),
    [(None, {}), (1.7e9, {}), (1.7e9 + 1, {1: Fate.CONFLICTING}), (1.8e9, {1: Fate.CONFLICTING})],
)
@pytest.mark.parametrize("begun", [False, True])
def test_who_leaves_again_before_the_write_stays_away(
    left_at: float | None, fates: dict[int, Fate], *, begun: bool
) -> None:
    actions, found = in_doubt(RETURN, OUT)
    verdicts = recheck(actions, found.changes, replace(OUT, unsubscribed_at=left_at), begun=begun)
    assert {number: verdict.fate for number, verdict in verdicts.items()} == fates


def test_a_re_subscription_whose_change_has_no_consent_is_not_written() -> None:
    actions, found = in_doubt(RETURN, OUT)
    changes = [replace(change, consented_at=None) for change in found.changes]
    assert recheck(actions, changes, OUT, begun=False)[1].fate is Fate.CONFLICTING
    assert recheck(actions, [], OUT, begun=False)[1].fate is Fate.CONFLICTING


def test_who_is_re_subscribed_to_one_channel_leaves_others_just_after_it() -> None:
    leave_push = replace(LEAVE, name="Push Notification")
    found = plan(leave_push, RETURN)
    ((phase, planned),) = found.actions.items()
    assert phase == (0, DeliveryClass.CHECKABLE)
    assert [sorted(each.action.arguments) for each in planned] == [
        ["createDisposition", "unsubscribeChannelsToRemove", "userId"],
        ["createDisposition", "unsubscribeChannelsToAdd", "userId"],
    ]
    actions = [
        PlannedAction(number, USER, phase[1], own.action, own.deliveries)
        for number, own in enumerate(planned, start=1)
    ]
    left = replace(OUT, unsubscribed_at=1.8e9)
    assert set(recheck(actions, found.changes, left, begun=False)) == {1}, "only the re-subscription waits"
    assert settle(actions, found.changes, OUT).keys() == {1}, "the choice to leave is sent again"
