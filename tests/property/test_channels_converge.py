"""Carrying out a plan of notification channels and planning again gives an empty plan, and what no spec names is as it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.address import ResourceAddress, Subject, SubjectKind
from leanplum_sync.kinds.rows.desires import RemoveThing, SetThing, Want
from leanplum_sync.operations.drift import Origin, origin_of
from leanplum_sync.planner.decide import Reason
from leanplum_sync.planner.footprint import footprints
from leanplum_sync.planner.known import NOTHING_KNOWN
from leanplum_sync.planner.standing import Standing, carries, standings
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.channel import UPDATABLE, seen_channels
from leanplum_sync.wire.profile import THINGS, Profile, read_profile

HERE = Place("specs/c.yaml", 6, 5)
SPEC = ResourceAddress("NotificationChannels", "c")
CONTEXT = Context(waves={SPEC: 0}, messages={})

ids = st.sampled_from(["a", "b", "c"])
optional = {
    "description": st.sampled_from(["", "x", "y"]),
    "importance": st.integers(0, 5),
    "groupId": st.sampled_from(["g", "h"]),
    "showBadge": st.booleans(),
    "vibrationPattern": st.lists(st.integers(0, 2), max_size=2),
}
names = st.sampled_from(["A", "B"])
values = st.fixed_dictionaries({"name": names}, optional=optional)
desired = st.dictionaries(ids, st.one_of(st.none(), st.tuples(values, st.booleans())))
live = st.dictionaries(
    ids,
    st.fixed_dictionaries(
        {"name": names, "importance": st.integers(0, 5)},
        optional={name: each for name, each in optional.items() if name != "importance"},
    ),
)


def wants_of(spec: Mapping[str, Any]) -> list[Want]:
    found = []
    for name, value in sorted(spec.items()):
        desire = RemoveThing(name, HERE) if value is None else SetThing(name, value[0], HERE, value[1])
        subject = Subject(SubjectKind.CHANNEL, name)
        found.append(Want(SPEC, subject, create=False, found_at=HERE, desires=(desire,)))
    return found


def observed(app: Mapping[str, Any], name: str) -> Profile:
    # An empty text may be shown as null, as the emulator does.
    shown = {
        channel: {key: None if item == "" else item for key, item in value.items()}
        for channel, value in app.items()
    }
    listed = [{"id": channel, **value} for channel, value in shown.items()]
    seen = seen_channels({"notificationChannels": listed})
    return read_profile({THINGS: {name: seen[name]} if name in seen else {}})


def planned(app: Mapping[str, Any], want: Want) -> SubjectPlan:
    return plan_subject([want], observed(app, want.subject.id), NOTHING_KNOWN, CONTEXT)


def carried_out(app: Mapping[str, Any], action: Action) -> dict[str, Any]:
    """Do what Leanplum documents."""
    arguments = dict(action.arguments)
    if action.name == "deleteAndroidNotificationChannel":
        return {name: value for name, value in app.items() if name != arguments["channelId"]}
    name = arguments.pop("id")
    if name in app:
        arguments = {**app[name], **{key: item for key, item in arguments.items() if key in UPDATABLE}}
    return {**app, name: arguments}


@given(desired, live)
def test_carrying_out_a_plan_and_planning_again_gives_nothing(spec: Any, before: dict[str, Any]) -> None:
    app: Mapping[str, Any] = before
    for want in wants_of(spec):
        plan = planned(app, want)
        assert all(
            each is Standing.UNTOUCHED for _, each in standings(plan.changes, observed(app, want.subject.id))
        )
        left: dict[str, str] = {}
        for (_, delivery), actions in plan.actions.items():
            for number, each in enumerate(actions):
                action = PlannedAction(number, want.subject, delivery, each.action)
                (own,) = [change for change in plan.changes if carries(action, change)]
                app = carried_out(app, each.action)
                left.update(footprints(each.action))
                seen = standings(plan.changes, observed(app, want.subject.id))
                assert (own, Standing.REACHED) in seen
                assert Standing.OVERTAKEN not in [standing for _, standing in seen]
        again = planned(app, want)
        assert not again.actions
        is_kept = {each.reason for each in again.decisions} == {Reason.FIXED}
        assert is_kept is (plan.decisions[0].reason is Reason.FIXED)
        name = want.subject.id
        if plan.changes and name in before and not any(change.before is None for change in plan.changes):
            # Somebody restores the channel.
            undone = planned({**app, name: before[name]}, want)
            origins = {origin_of(change, left, unchanged=True) for change in undone.changes}
            assert origins == {Origin.OTHERS}
    assert {name: app[name] for name in app if name not in spec} == {
        name: before[name] for name in before if name not in spec
    }
