"""Where changes stand, and which action carries which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.planner.standing import Standing, carries, standings
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.batch import DeliveryKey, PlannedAction
from leanplum_sync.wire.profile import NO_PROFILE, Profile

USER = Subject.user("u1")
HERE = Place("specs/a.yaml", 1)


def change(
    kind: ChangeKind, field: str, before: Any, after: Any, *, device_id: str = "", resource: str = "A/a"
) -> Change:
    return Change(USER, resource, kind, field, before, after, HERE, HERE, device_id)


def profile(**given: Any) -> Profile:
    parts: dict[str, Any] = {"attributes": {}, "fields": {}, "devices": {}}
    return Profile(exists=True, **(parts | given))


def standing(found: Change, of: Profile, *others: Change) -> Standing:
    return dict(enumerate(standings((found, *others), of)))[0][1]


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        ("gold", Standing.REACHED),
        ("silver", Standing.UNTOUCHED),
        ("platinum", Standing.OVERTAKEN),
        (None, Standing.OVERTAKEN),
    ],
)
def test_a_value_is_as_desired_as_planned_or_somebody_elses(observed: Any, expected: Any) -> None:
    attributes = {} if observed is None else {"tier": observed}
    assert (
        standing(change(ChangeKind.SET, "tier", "silver", "gold"), profile(attributes=attributes)) is expected
    )


def test_a_value_read_back_in_another_guise_is_reached() -> None:
    assert (
        standing(change(ChangeKind.SET, "vip", None, after=True), profile(attributes={"vip": "True"}))
        is Standing.REACHED
    )


def test_a_removed_attribute_is_reached_when_it_is_gone() -> None:
    assert standing(change(ChangeKind.REMOVE, "old", "x", None), profile()) is Standing.REACHED


@pytest.mark.parametrize(
    ("kind", "observed", "expected"),
    [
        (ChangeKind.ADD, ["golf", "running", "chess"], Standing.REACHED),
        (ChangeKind.ADD, ["golf"], Standing.UNTOUCHED),
        (ChangeKind.ADD, None, Standing.UNTOUCHED),
        (ChangeKind.ADD, "running", Standing.OVERTAKEN),
        (ChangeKind.TAKE_OUT, ["golf"], Standing.REACHED),
        (ChangeKind.TAKE_OUT, None, Standing.REACHED),
        (ChangeKind.TAKE_OUT, ["running"], Standing.UNTOUCHED),
    ],
)
def test_of_a_list_membership_alone_counts(kind: Any, observed: Any, expected: Any) -> None:
    found = change(kind, "interests", ["golf"], ["running"])
    assert standing(found, profile(attributes={"interests": observed})) is expected


@pytest.mark.parametrize(
    ("before", "observed", "expected"),
    [
        (5, 7.0, Standing.REACHED),
        (None, 2, Standing.REACHED),
        (5, 5, Standing.UNTOUCHED),
        (None, None, Standing.UNTOUCHED),
        (5, 6, Standing.OVERTAKEN),
    ],
)
def test_an_increment_is_reached_at_exactly_the_sum(before: Any, observed: Any, expected: Any) -> None:
    found = change(ChangeKind.INCREMENT, "visits", before, 2)
    assert standing(found, profile(attributes={"visits": observed})) is expected


def test_increments_of_one_attribute_are_judged_by_their_sum() -> None:
    one = change(ChangeKind.INCREMENT, "visits", 5, 1)
    two = change(ChangeKind.INCREMENT, "visits", 5, 2, resource="B/b")
    assert standing(one, profile(attributes={"visits": 8}), two) is Standing.REACHED
    assert standing(one, profile(attributes={"visits": 6}), two) is Standing.OVERTAKEN


@pytest.mark.claim("devices-by-presence")
@pytest.mark.parametrize(
    ("devices", "before", "expected"),
    [
        ({"d1": {"iosPushToken": "aa"}}, None, Standing.REACHED),
        ({"d1": {"iosPushToken": "bb"}}, "bb", Standing.UNTOUCHED),
        ({"d1": {"iosPushToken": "cc"}}, "bb", Standing.OVERTAKEN),
        ({"d1": {}}, None, Standing.UNPROVABLE),
        ({}, None, Standing.UNTOUCHED),
    ],
)
def test_a_token_that_is_not_shown_proves_nothing_unless_its_device_is_missing(
    devices: Any, before: Any, expected: Any
) -> None:
    found = change(ChangeKind.TOKEN, "iosPushToken", before, "aa", device_id="d1")
    assert standing(found, profile(devices=devices)) is expected


def test_a_user_to_be_created_is_there_or_is_not() -> None:
    found = change(ChangeKind.CREATE, "", None, None)
    assert standing(found, NO_PROFILE) is Standing.UNTOUCHED
    assert standing(found, profile()) is Standing.REACHED


def planned(name: str, arguments: dict[str, Any], *resources: str) -> PlannedAction:
    keys = tuple(DeliveryKey(resource, USER, resource) for resource in resources)
    return PlannedAction(1, USER, DeliveryClass.REPEATABLE, Action(name, arguments), keys)


@pytest.mark.parametrize(
    ("arguments", "carried"),
    [
        ({"userAttributes": {"tier": "gold"}}, change(ChangeKind.SET, "tier", None, "gold")),
        ({"userAttributes": {"old": None}}, change(ChangeKind.RENAMED_AWAY, "old", "x", None)),
        ({"userAttributeValuesToAdd": {"l": ["a", "b"]}}, change(ChangeKind.ADD, "l", None, ["b"])),
        ({"userAttributeValuesToRemove": {"l": ["a"]}}, change(ChangeKind.TAKE_OUT, "l", ["a"], ["a"])),
        ({"country": "DE"}, change(ChangeKind.PROFILE, "country", None, "DE")),
        ({"createDisposition": "CreateIfNeeded"}, change(ChangeKind.CREATE, "", None, None)),
    ],
)
def test_an_action_carries_the_changes_that_stand_in_it(arguments: Any, carried: Any) -> None:
    assert carries(planned("setUserAttributes", arguments), carried)
    assert not carries(planned("setUserAttributes", {"userAttributes": {"other": 1}}), carried)
    assert not carries(planned("setDeviceAttributes", {"deviceId": "d1"}), carried)


def test_an_increment_is_carried_by_the_action_of_its_own_resource() -> None:
    found = change(ChangeKind.INCREMENT, "visits", 5, 1)
    arguments = {"userAttributeValuesToIncrement": {"visits": 1}}
    assert carries(planned("setUserAttributes", arguments, "A/a"), found)
    assert not carries(planned("setUserAttributes", arguments, "B/b"), found)


class Looked(list[Change]):
    """Changes that count how often all of them are looked at."""

    times = 0

    def __iter__(self) -> Iterator[Change]:
        self.times += 1
        return super().__iter__()


@pytest.mark.parametrize("kind", [ChangeKind.EVENT, ChangeKind.EVENT_TOTAL, ChangeKind.INCREMENT])
def test_comparing_looks_at_the_changes_equally_often_however_many_there_are(kind: ChangeKind) -> None:
    after = 1 if kind is ChangeKind.INCREMENT else {"key": "k", "time": 1.0}
    few, many = (Looked([change(kind, "Buy", None, after)] * count) for count in (2, 200))
    standings(few, profile())
    standings(many, profile())
    assert few.times == many.times


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ({}, Standing.UNTOUCHED),
        ({"Buy": {"count": 1, "firstTime": 1000.0}}, Standing.UNTOUCHED),
        ({"Buy": {"count": 2, "firstTime": 1000.0}}, Standing.REACHED),
        ({"Buy": {"count": 3, "firstTime": 1299.0}}, Standing.REACHED),
        ({"Buy": {"count": 2, "firstTime": 5000.0}}, Standing.OVERTAKEN),
        ({"Buy": {"count": 2}}, Standing.REACHED),
    ],
)
def test_an_event_is_reached_if_it_is_counted_and_not_recorded_later_than_it_happened(
    events: Any, expected: Standing
) -> None:
    one, other = (
        change(ChangeKind.EVENT, "Buy", None, {"key": key, "time": time})
        for key, time in (("1", 1000.0), ("2", 9000.0))
    )
    assert standing(one, profile(events=events), other) is expected
