"""Carrying out a plan and planning again gives an empty plan, whatever is desired and whatever was there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.kinds.rows.desires import (
    AlterList,
    Desire,
    IncrementAttribute,
    RemoveAttribute,
    Send,
    SetAttribute,
    SetDeviceField,
    SetProfileField,
    SetSubscription,
    TakeAttribute,
    TrackEvent,
    Want,
)
from leanplum_sync.operations.drift import Origin, origin_of
from leanplum_sync.planner.change import ChangeKind, Effect, effect_of
from leanplum_sync.planner.conflicts import conflicts
from leanplum_sync.planner.decide import Reason, SendTarget
from leanplum_sync.planner.footprint import follow, footprints
from leanplum_sync.planner.known import Known
from leanplum_sync.planner.standing import Standing, carries, standings
from leanplum_sync.planner.subject import Context, SubjectPlan, plan_subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.fingerprint import device_fingerprints
from leanplum_sync.wire.profile import DEVICE_FIELDS, Profile, read_profile
from leanplum_sync.wire.subscription import subscription_states

USER = Subject.user("00004")
HERE = Place("specs/a.yaml", 7, 5)
ROW = Place("data/a.csv", 2, None, 1)
ONE, TWO = ResourceAddress("UserAttributes", "one"), ResourceAddress("UserAttributes", "two")
CONTEXT = Context(waves={ONE: 0, TWO: 1}, messages={ONE: SendTarget(1, "Hello"), TWO: SendTarget(2, "Bye")})

names = st.sampled_from(["a", "b", "c"])
scalars = st.one_of(
    st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.sampled_from(["x", "True", "12", "2026-01-01"])
)
lists = st.lists(scalars, min_size=1, max_size=3)
values = st.one_of(scalars, lists)
tokens = st.sampled_from(["aa" * 32, "bb" * 32])
# Few contradict each other: most specs agree about a channel.
subscriptions = st.sampled_from(
    [
        *(("Email", "unsubscribed"), ("Webhook", "subscribed")) * 3,
        ("category 5", "unsubscribed"),
        ("category 5", "subscribed"),
    ]
)


def subscribing(field: tuple[str, str], consented_at: float) -> Desire:
    name, state = field
    return SetSubscription(name, state, consented_at if state == "subscribed" else None, HERE)


def taking(name: str, source: str, to: ValueType | None) -> Desire:
    return TakeAttribute(name, source, to, HERE)


desires = st.one_of(
    st.builds(SetAttribute, names, values, st.just(HERE), st.booleans()),
    st.builds(taking, names, names, st.one_of(st.none(), st.sampled_from(ValueType))),
    st.builds(RemoveAttribute, names, st.just(HERE)),
    st.builds(AlterList, names, lists.map(tuple), st.just(()), st.just(HERE)),
    st.builds(AlterList, names, st.just(()), lists.map(tuple), st.just(HERE)),
    st.builds(IncrementAttribute, names, st.integers(1, 9), st.sampled_from(["may", "june"]), st.just(HERE)),
    st.builds(
        SetProfileField, st.just("country"), st.sampled_from(["DE", "FR"]), st.just(HERE), st.booleans()
    ),
    st.builds(
        SetDeviceField, st.just("d1"), st.sampled_from(["iosPushToken", "deviceModel"]), tokens, st.just(HERE)
    ),
    st.builds(subscribing, subscriptions, st.sampled_from([1e9, 2e9])),
    st.builds(
        TrackEvent,
        st.sampled_from(["Buy", "Rate"]),
        st.sampled_from(["orders", "ratings"]),
        st.sampled_from(["1", "2", "3"]),
        st.floats(1.7e9, 1.71e9),
        st.one_of(st.none(), st.floats(-9, 9)),
        st.none(),
        st.dictionaries(names, scalars, max_size=2),
        st.booleans(),
        st.just(HERE),
    ),
    st.builds(Send, st.sampled_from(["one", "two"]), st.just({"name": "Ann"}), st.booleans(), st.just(HERE)),
)


@st.composite
def wants(draw: st.DrawFn) -> list[Want]:
    """One row of each of two resources, free of conflicts with itself and with the other."""
    create = draw(st.booleans())
    listed: set[str] = set()  # an import lists a key once, and no two specs share an import
    found = [
        Want(
            address,
            USER,
            create,
            ROW,
            tuple(
                desire
                for desire in draw(st.lists(desires, max_size=4))
                if not isinstance(desire, TrackEvent)
                or (desire.delivery not in listed and not listed.add(desire.delivery))
            ),
        )
        for address in (ONE, TWO)
    ]
    singly = [Want(want.resource, USER, create, ROW, (desire,)) for want in found for desire in want.desires]
    by_desire = [
        Want(ResourceAddress("Part", str(n)), USER, create, ROW, want.desires)
        for n, want in enumerate(singly)
    ]
    assume(not list(conflicts(by_desire)))
    return found


profiles = st.one_of(
    st.none(),
    st.builds(
        lambda attributes, fields, devices, subscriptions: {
            "userAttributes": attributes,
            **fields,
            "devices": devices,
            **subscriptions,
        },
        st.dictionaries(names, st.one_of(values, st.just({"nested": 1}))),
        st.sampled_from([{}, {"country": "DE"}]),
        st.sampled_from([[], [{"deviceId": "d1"}], [{"deviceId": "d1", "iosPushToken": "aa" * 32}]]),
        st.sampled_from(
            [
                {},
                {"unsubscribeChannels": ["Webhook"]},
                {
                    "unsubscribeChannels": ["Email"],
                    "events": {"Unsubscribe": {"count": 1, "lastTime": 1.5e9}},
                },
                {"unsubscribeChannels": ["Email"], "unsubscribeCategories": [{"id": 5, "name": "News"}]},
            ]
        ),
    ),
)


class App:
    """Leanplum in a nutshell: it keeps tokens to itself, and gives booleans back as text."""

    def __init__(self, element: Mapping[str, Any] | None) -> None:
        self.element = None if element is None else dict(element)
        self.delivered: dict[str, str] = {}
        self.fingerprints: dict[tuple[str, str], str] = {}
        self.rejoined: set[str] = set()

    def observe(self) -> tuple[Profile, Known]:
        element = self.element or {"warning": {"message": "User not found; request skipped."}}
        return read_profile(element), Known(self.delivered, self.fingerprints)

    def carry_out(self, plan: SubjectPlan) -> None:
        for actions in plan.actions.values():
            for planned in actions:
                arguments = planned.action.arguments
                if self.element is None:
                    assert arguments["createDisposition"] == "CreateIfNeeded"
                    self.element = {"userAttributes": {}}
                getattr(self, planned.action.name)(arguments)
                self.delivered |= {key.name: key.resource for key in planned.deliveries}
                self.fingerprints |= device_fingerprints(planned.action)

    def setUserAttributes(self, arguments: Mapping[str, Any]) -> None:  # noqa: N802 - the API's name
        assert self.element is not None
        held = dict(self.element["userAttributes"])
        for name, value in arguments.get("userAttributes", {}).items():
            held.pop(name, None) if value is None else held.update({name: _read_back(value)})
        for name, items in arguments.get("userAttributeValuesToRemove", {}).items():
            held[name] = [item for item in held[name] if _read_back(item) not in _read_back(items)]
        for name, items in arguments.get("userAttributeValuesToAdd", {}).items():
            held[name] = [*held.get(name, []), *_read_back(items)]
        for name, amount in arguments.get("userAttributeValuesToIncrement", {}).items():
            held[name] = held.get(name, 0) + amount
        fields = {name: arguments[name] for name in ("country",) if name in arguments}
        self.element = {**self.element, **fields, "userAttributes": held}
        for name, total in arguments.get("events", {}).items():
            self._count(name, total["countIncrement"])
        for name, state in subscription_states(arguments).items():
            self._subscribe(name, state)

    def _subscribe(self, name: str, state: str) -> None:
        assert self.element is not None
        key, item = (
            ("unsubscribeCategories", {"id": 5}) if name == "category 5" else ("unsubscribeChannels", name)
        )
        rest = [] if name == "category 5" else [each for each in self.element.get(key, []) if each != item]
        if state == "unsubscribed":
            told = {"Unsubscribe": {"count": 1, "lastTime": 1.5e9}}
            self.element["events"] = {**self.element.get("events", {}), **told}
        else:
            self.rejoined.add(name)
        self.element[key] = [*rest, item] if state == "unsubscribed" else rest

    def setDeviceAttributes(self, arguments: Mapping[str, Any]) -> None:  # noqa: N802 - the API's name
        assert self.element is not None
        devices = {device["deviceId"]: device for device in self.element.get("devices", [])}
        device = devices.setdefault(arguments["deviceId"], {"deviceId": arguments["deviceId"]})
        if "iosPushToken" in device:  # an app either shows the fields of a device, or never does
            devices[arguments["deviceId"]] = {
                **device,
                **{k: v for k, v in arguments.items() if k in DEVICE_FIELDS},
            }
        self.element = {**self.element, "devices": list(devices.values())}

    def track(self, arguments: Mapping[str, Any]) -> None:
        assert arguments["createDisposition"] == "CreateNever"
        self._count(arguments["event"], 1)

    def _count(self, event: str, number: int) -> None:
        assert self.element is not None
        events = dict(self.element.get("events", {}))
        events[event] = {"count": events.get(event, {}).get("count", 0) + number}
        self.element = {**self.element, "events": events}

    def sendMessage(self, arguments: Mapping[str, Any]) -> None:  # noqa: N802 - the API's name
        assert arguments["createDisposition"] == "CreateNever"


@given(wants(), profiles)
def test_who_leaves_again_is_not_re_subscribed(wanted: list[Want], element: dict[str, Any] | None) -> None:
    app = App(element)
    app.carry_out(plan_subject(wanted, *app.observe(), CONTEXT))
    assume(app.element is not None)
    app.setUserAttributes({"unsubscribeChannelsToAdd": ["Email", "Webhook"]})
    app.element["events"] = {}  # type: ignore[index]  # the API need not show when somebody left
    found = plan_subject(wanted, *app.observe(), CONTEXT)
    rejoined = {name for name in app.rejoined if name != "category 5"}
    assert not [change for change in found.changes if change.field in rejoined]


def _read_back(value: Any) -> Any:
    if isinstance(value, list):
        return [_read_back(item) for item in value]
    return str(value) if isinstance(value, bool) else value


@pytest.mark.claim("attributes-compared")
@given(wants(), profiles)
def test_carrying_out_a_plan_and_planning_again_gives_nothing(
    wanted: list[Want], element: dict[str, Any] | None
) -> None:
    app = App(element)
    first = plan_subject(wanted, *app.observe(), CONTEXT)
    # A send that stands before what creates its user can't be made now, and can be after.
    assume(not first.actions or all(decision.reason is not Reason.MISSING for decision in first.decisions))
    app.carry_out(first)
    second = plan_subject(wanted, *app.observe(), CONTEXT)
    assert second.changes == ()
    assert second.actions == {}


@given(wants(), profiles)
def test_what_was_carried_out_is_reached_and_each_event_is_in_one_action(
    wanted: list[Want], element: dict[str, Any] | None
) -> None:
    app = App(element)
    plan = plan_subject(wanted, *app.observe(), CONTEXT)
    events = [change for change in plan.changes if effect_of(change.kind) is Effect.OCCURRENCE]
    actions = [
        PlannedAction(number, USER, delivery_class, each.action, each.deliveries)
        for (_, delivery_class), own in plan.actions.items()
        for number, each in enumerate(own)
    ]
    for change in events:
        assert sum(carries(planned, change) for planned in actions) == 1
    assert all(standing is Standing.UNTOUCHED for _, standing in standings(events, app.observe()[0]))
    app.carry_out(plan)
    assert all(standing is Standing.REACHED for _, standing in standings(events, app.observe()[0]))


@given(wants(), wants(), wants(), profiles)
def test_what_only_we_changed_is_nobody_elses(
    first: list[Want], second: list[Want], third: list[Want], element: dict[str, Any] | None
) -> None:
    app = App(element)
    left: dict[str, str] = {}
    for wanted in (first, second):
        plan = plan_subject(wanted, *app.observe(), CONTEXT)
        app.carry_out(plan)
        for actions in plan.actions.values():
            for planned in actions:
                follow(left, footprints(planned.action))
    for change in plan_subject(third, *app.observe(), CONTEXT).changes:
        assert origin_of(change, left, unchanged=False) in (Origin.OURS, Origin.NEW, None)


@given(wants(), profiles, names, values)
def test_what_somebody_else_changed_is_theirs(
    wanted: list[Want], element: dict[str, Any] | None, name: str, value: Any
) -> None:
    app = App(element)
    plan = plan_subject(wanted, *app.observe(), CONTEXT)
    app.carry_out(plan)
    assume(app.element is not None)
    left: dict[str, str] = {}
    for actions in plan.actions.values():
        for planned in actions:
            follow(left, footprints(planned.action))
    app.setUserAttributes({"userAttributes": {name: value}})
    for change in plan_subject(wanted, *app.observe(), CONTEXT).changes:
        if change.field == name and f"attribute:{name}" in left and change.kind is not ChangeKind.INCREMENT:
            assert origin_of(change, left, unchanged=True) is Origin.OTHERS


@given(wants())
def test_nothing_is_planned_for_a_missing_user_that_may_not_be_created(wanted: Sequence[Want]) -> None:
    app = App(None)
    plan = plan_subject(wanted, *app.observe(), CONTEXT)
    assert bool(plan.actions) <= wanted[0].create
    assert all(change.resource for change in plan.changes)
