"""The table of actions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from leanplum_sync.wire.action import Action, DeliveryClass
from leanplum_sync.wire.catalogue import ACTIONS, CreateDisposition, InMulti, Target, delivery_class

DOCUMENTED = (  # noqa: SIM905 - a list would take forty lines
    "start stop pauseSession resumeSession heartbeat advance pauseState resumeState track setUserAttributes "
    "setDeviceAttributes setTrafficSourceInfo registerDevice deleteUser block unblock sendMessage startCampaign "
    "getMessage getMessages getUnsubscribeCategories addAndroidNotificationChannel getAndroidNotificationChannels "
    "deleteAndroidNotificationChannel getAbTest getAbTests getVariant getVars setVars deleteVars downloadFile "
    "uploadFile addPostback listPostbacks deletePostback exportUser exportUsers exportData exportReport "
    "getExportResults multi getMultiResults"
).split()


def test_the_42_documented_actions_are_all_there() -> None:
    assert len(DOCUMENTED) == 42
    assert {name for name, spec in ACTIONS.items() if spec.documented} == set(DOCUMENTED)


def test_actions_that_name_a_user_take_both_ids() -> None:
    for spec in ACTIONS.values():
        assert ({"userId", "deviceId"} <= spec.arguments.keys()) == (spec.target is not Target.APP)


def test_actions_with_a_create_disposition_accept_it() -> None:
    for spec in ACTIONS.values():
        assert (spec.create_disposition is not None) == ("createDisposition" in spec.optional)


@pytest.mark.claim("creation-said")
def test_nothing_that_may_create_a_user_does_so_by_the_way() -> None:
    creating = {n for n, spec in ACTIONS.items() if spec.create_disposition is CreateDisposition.IF_NEEDED}
    assert creating == {"start", "track", "setUserAttributes", "setDeviceAttributes", "setTrafficSourceInfo"}


def test_batches_are_not_nested() -> None:
    assert ACTIONS["multi"].in_multi is InMulti.NEVER


@pytest.mark.claim("never-twice")
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("setUserAttributes", {"userAttributes": {"a": 1}}, DeliveryClass.REPEATABLE),
        ("setUserAttributes", {"userAttributeValuesToRemove": {"a": 1}}, DeliveryClass.REPEATABLE),
        ("setUserAttributes", {"userAttributeValuesToAdd": {"a": 1}}, DeliveryClass.CHECKABLE),
        ("setUserAttributes", {"userAttributeValuesToIncrement": {"a": 1}}, DeliveryClass.CHECKABLE),
        ("setUserAttributes", {"events": {"e": {"count": 1}}}, DeliveryClass.REPEATABLE),
        ("setUserAttributes", {"events": {"e": {"countIncrement": 1}}}, DeliveryClass.CHECKABLE),
        ("setUserAttributes", {"newUserId": "u2"}, DeliveryClass.ONCE),
        ("setDeviceAttributes", {"systemName": "iOS"}, DeliveryClass.REPEATABLE),
        ("sendMessage", {}, DeliveryClass.ONCE),
        ("track", {}, DeliveryClass.ONCE),
        ("anActionOfTomorrow", {}, DeliveryClass.ONCE),
    ],
)
def test_what_may_be_repeated_depends_on_the_arguments(
    name: str, arguments: dict[str, Any], expected: DeliveryClass
) -> None:
    assert delivery_class(Action(name, {"userId": "u1", **arguments})) is expected


@pytest.mark.claim("only-asserted")
def test_what_the_dashboard_makes_can_only_be_looked_at() -> None:
    about = [
        spec for spec in ACTIONS.values() if re.search("Message|Campaign|AbTest|Variant|Categor", spec.name)
    ]
    # Sending makes no message, and the inbox holds copies.
    assert {spec.name for spec in about if spec.writes} == {
        "sendMessage",
        "startCampaign",
        "markNewsfeedMessageAsRead",
        "deleteNewsfeedMessage",
    }
    assert {spec.name for spec in about if not spec.writes} >= {
        "getMessages",
        "getAbTests",
        "getUnsubscribeCategories",
    }
