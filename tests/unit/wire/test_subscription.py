"""Subscriptions: the arguments that change them, and what exportUser shows of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.consent import consent_delivery, resubscription_of
from leanplum_sync.wire.profile import read_profile
from leanplum_sync.wire.subscription import (
    CHANNELS,
    category,
    read_categories,
    subscription_arguments,
    subscription_states,
)

FIELDS = st.one_of(st.sampled_from(CHANNELS), st.integers(1, 99).map(category))


@given(st.dictionaries(FIELDS, st.sampled_from(["subscribed", "unsubscribed"])))
def test_the_arguments_say_which_state_each_field_gets(states: dict[str, str]) -> None:
    assert subscription_states(subscription_arguments(states)) == states


def test_one_channel_is_sent_as_text_and_several_as_a_list() -> None:
    assert subscription_arguments({"Email": "unsubscribed"}) == {"unsubscribeChannelsToAdd": "Email"}
    assert subscription_arguments(
        {"Webhook": "subscribed", "Email": "subscribed", "category 5": "unsubscribed"}
    ) == {
        "unsubscribeChannelsToRemove": ["Email", "Webhook"],
        "unsubscribeCategoriesToAdd": ["5"],
    }


@pytest.mark.claim("subscriptions-read")
def test_a_profile_shows_what_the_user_left_and_when_they_last_left_anything() -> None:
    profile = read_profile(
        {
            "userAttributes": {},
            "unsubscribeChannels": ["Email"],
            "unsubscribeCategories": [{"id": 5, "name": "News"}, {"id": "7"}],
            "events": {"Unsubscribe": {"count": 2, "firstTime": 1.6e9, "lastTime": 1.7e9}},
        }
    )
    assert set(profile.subscriptions) == {"Email", "category 5", "category 7"}
    assert profile.unsubscribed_at == 1.7e9


@pytest.mark.parametrize("events", [None, {}, [], {"Purchase": {"lastTime": 1.7e9}, "Subscribe": None}])
def test_a_profile_need_not_show_when(events: Any) -> None:
    profile = read_profile({"userAttributes": {}, "events": events})
    assert profile.subscriptions == {}
    assert profile.unsubscribed_at is None


@pytest.mark.parametrize(
    "name",
    [
        "Unsubscribe",
        ".m5670583287676928 Unsubscribe",
        ".m5670583287676928 Marked as spam",
        ".m5670583287676928 Marked As Spam",
        "unsubscribe",
    ],
)
def test_each_event_that_may_be_an_unsubscription_counts_and_the_latest_decides(name: str) -> None:
    events = {
        "Unsubscribe": {"lastTime": 1.6e9},
        name: {"lastTime": 1.7e9},
        ".m1 Unsubscribe": {"lastTime": 1},
    }
    assert read_profile({"userAttributes": {}, "events": events}).unsubscribed_at == 1.7e9


@pytest.mark.parametrize(
    "event",
    [
        {"count": 1},
        {"lastTime": True},
        {"lastTime": "1.795E9"},
        {"lastTime": None},
        {"lastTime": 0},
        {},
        None,
        1.7e9,
    ],
)
@pytest.mark.parametrize("name", ["Unsubscribe", ".m1 Marked as spam"])
def test_an_unsubscription_without_a_readable_date_is_later_than_any_consent(name: str, event: Any) -> None:
    events = {"Unsubscribe": {"lastTime": 1.6e9}, name: event, "Purchase": {"lastTime": 1.7e9}}
    assert read_profile({"userAttributes": {}, "events": events}).unsubscribed_at == math.inf


def test_events_of_another_shape_may_be_unsubscriptions() -> None:
    assert read_profile({"userAttributes": {}, "events": ["Unsubscribe"]}).unsubscribed_at == math.inf


@pytest.mark.parametrize(
    "shown",
    [
        {"unsubscribeChannels": "Email"},
        {"unsubscribeChannels": [None]},
        {"unsubscribeChannels": [True]},
        {"unsubscribeCategories": {"id": 5}},
        {"unsubscribeCategories": [{"name": "News"}]},
    ],
)
def test_subscriptions_of_another_shape_are_not_taken_for_none(shown: Any) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_profile({"userAttributes": {}, **shown})


@pytest.mark.parametrize("field", [*CHANNELS, category(5)])
def test_a_re_subscription_is_named_by_its_channel_and_not_by_the_date_of_its_consent(field: str) -> None:
    name = consent_delivery(field, 1.7e9)
    assert resubscription_of(name) == f"re-subscription to {field}"
    assert "1700000000" not in name
    assert consent_delivery(field, 1.8e9) != name


@pytest.mark.parametrize(
    "delivery", ["consent/visits", "consent/a/b", "spring/consent/Email", "orders#1", "once"]
)
def test_other_deliveries_are_not_re_subscriptions(delivery: str) -> None:
    assert resubscription_of(delivery) == ""


def test_categories_are_listed_by_their_ids() -> None:
    shown = {"categories": [{"id": 5, "name": "News", "description": ""}, {"id": "7"}]}
    assert read_categories(shown) == {"5": "News", "7": ""}


@pytest.mark.parametrize(
    "element", [{}, {"categories": {}}, {"categories": [5]}, {"categories": [{"name": "News"}]}]
)
def test_categories_of_another_shape_are_not_taken_for_none(element: Any) -> None:
    with pytest.raises(UnexpectedResponseError):
        read_categories(element)
