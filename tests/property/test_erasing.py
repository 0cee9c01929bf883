"""Laws of erasing: carrying out a plan and planning again gives nothing, and no other spec may list who is erased."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.applier.live_state import recheck
from leanplum_sync.journal.entry import Fate
from leanplum_sync.kinds.rows.desires import (
    AlterList,
    Desire,
    Erase,
    IncrementAttribute,
    RemoveAttribute,
    Send,
    SetAttribute,
    SetDeviceField,
    SetProfileField,
    SetSubscription,
    Want,
)
from leanplum_sync.planner.conflicts import ERASED_ELSEWHERE, conflicts
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.known import NOTHING_KNOWN, Known
from leanplum_sync.planner.standing import Standing, standings
from leanplum_sync.planner.subject import Context, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.profile import NO_PROFILE, Profile, read_profile

USER = Subject.user("00004")
HERE, ROW = Place("specs/a.yaml", 7, 5), Place("data/a.csv", 2, None, 1)
ERASURE, OTHER = ResourceAddress("Erasure", "requests"), ResourceAddress("UserAttributes", "tiers")
CONTEXT = Context(waves={ERASURE: 0, OTHER: 0}, messages={})

forms = st.builds(
    Erase, st.booleans(), st.just(value=False), st.sampled_from(["", "T-17"]), st.just(HERE)
) | (st.builds(Erase, st.just(value=True), st.just(value=True), st.sampled_from(["", "T-17"]), st.just(HERE)))
profiles = st.sampled_from(
    [
        {},
        {"userAttributes": {}},
        {"userAttributes": {"email": "a@example.com"}, "devices": [{"deviceId": "d1"}]},
        {"unsubscribeChannels": ["Email"], "events": {"Bought": {"count": 2}}},
    ]
)
others: st.SearchStrategy[Desire] = st.sampled_from(
    [
        SetAttribute("tier", "gold", HERE),
        RemoveAttribute("tier", HERE),
        AlterList("sports", ("golf",), (), HERE),
        IncrementAttribute("visits", 1, "launch", HERE),
        SetProfileField("country", "DE", HERE),
        SetDeviceField("d1", "iosPushToken", "ab" * 32, HERE),
        SetSubscription("Email", "unsubscribed", None, HERE),
        Send("november", {}, force=False, asked_at=HERE),
    ]
)


def wanting(resource: ResourceAddress, desire: Desire, *, create: bool = False) -> Want:
    return Want(resource, USER, create, ROW, (desire,))


def carried_out(name: str, profile: Profile) -> Profile | None:
    """Return what a later read shows; None: it is refused, because the user is blocked."""
    assert profile.exists
    return {"deleteUser": NO_PROFILE, "block": None}[name]


@given(forms, profiles)
def test_erasing_and_planning_again_gives_nothing(form: Erase, element: dict[str, Any]) -> None:
    profile = read_profile(element)
    plan = plan_subject([wanting(ERASURE, form)], profile, NOTHING_KNOWN, CONTEXT)
    ((_, (planned,)),) = plan.actions.items()
    assert planned.action.arguments.get("fullErasure", False) is (form.full and not form.block)
    assert all(standing is Standing.UNTOUCHED for _, standing in standings(plan.changes, profile))
    after = carried_out(planned.action.name, profile)
    assert (after is None) is form.block
    if after is not None:
        cleaned = Known(erased_by=1, is_cleaned=True)
        again = plan_subject([wanting(ERASURE, form)], after, cleaned, CONTEXT)
        assert again.changes == ()
        assert again.actions == {}
        assert all(standing is Standing.REACHED for _, standing in standings(plan.changes, after))


@given(forms, st.sampled_from([NOTHING_KNOWN, Known(erased_by=1)]))
def test_who_is_gone_is_planned_until_nothing_is_left_here_and_nothing_is_sent(
    form: Erase, known: Known
) -> None:
    plan = plan_subject([wanting(ERASURE, form)], NO_PROFILE, known, CONTEXT)
    assert not plan.exists
    assert [decision.reason for decision in plan.decisions] == [Reason.GONE]
    ((_, (planned,)),) = plan.actions.items()
    sent = PlannedAction(1, USER, DeliveryClass.REPEATABLE, planned.action)
    assert recheck([sent], plan.changes, NO_PROFILE, begun=False)[1].fate is Fate.ALREADY


@given(form=forms, other=others, create=st.booleans(), is_first=st.booleans())
def test_nobody_is_erased_and_listed_elsewhere(
    form: Erase, other: Desire, *, create: bool, is_first: bool
) -> None:
    wants = [wanting(ERASURE, form), wanting(OTHER, other, create=create)]
    (problem,) = conflicts(wants if is_first else wants[::-1])
    assert ERASED_ELSEWHERE in problem.message
    assert problem.address == str(OTHER)
