"""What a document of NotificationChannels may say, and what its channels are compared with."""

from __future__ import annotations

import pytest

from leanplum_sync.address import SubjectKind
from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.channel import ONLY, put_channel, seen_channels
from leanplum_sync.wire.thing import rules_of, written_by

RULES = rules_of(SubjectKind.CHANNEL)
assert RULES is not None


def test_a_new_channel_gets_all_fields_and_a_known_one_only_those_that_can_change() -> None:
    value = {"name": "A", "description": "B", "groupId": "g"}
    new = put_channel("a", value, None)
    assert new.arguments == {"id": "a", "importance": 3, **value}
    known = put_channel("a", value, {"importance": 5, "groupId": "h"})
    assert known.arguments == {"id": "a", "importance": 5, "name": "A", "description": "B"}


def test_what_an_action_writes_is_read_from_it() -> None:
    assert RULES is not None
    action = put_channel("a", {"name": "A"}, None)
    found = written_by(action.name, action.arguments)
    assert found is not None
    assert (str(found[0]), found[1]) == ("channel:a", {"name": "A", "importance": 3})
    gone = RULES.delete("a", {})
    assert written_by(gone.name, gone.arguments) == (found[0], None)
    assert written_by("setUserAttributes", {"userId": "a"}) is None


def test_the_only_channel_is_known_as_such() -> None:
    one = {"id": "a", "name": "A", "unknown": 1}
    assert seen_channels({"notificationChannels": [one]}) == {"a": {"name": "A", ONLY: True}}
    two = seen_channels({"notificationChannels": [one, {"id": "b"}]})
    assert two == {"a": {"name": "A"}, "b": {}}


@pytest.mark.parametrize("listed", [None, {}, "a", [1], [{}], [{"id": 3}]])
def test_a_response_without_channels_is_an_error(listed: object) -> None:
    with pytest.raises(UnexpectedResponseError):
        seen_channels({"notificationChannels": listed})


@pytest.mark.parametrize(
    ("value", "observed", "differing"),
    [
        ({"name": "A"}, {"name": "A", "importance": 3}, set()),
        ({"name": "A", "showBadge": False, "description": ""}, {"name": "A"}, set()),
        ({"importance": 3}, {"importance": 3.0}, set()),
        ({"showBadge": True}, {}, {"showBadge"}),
        ({"showBadge": False}, {"showBadge": True}, {"showBadge"}),
        ({"vibrationPattern": [0, 1]}, {"vibrationPattern": [1, 0]}, {"vibrationPattern"}),
        ({"name": "A", "importance": 4}, {"name": "B", "importance": 3}, {"name", "importance"}),
    ],
)
def test_only_the_fields_of_the_spec_are_compared(
    value: dict[str, object], observed: dict[str, object], differing: set[str]
) -> None:
    assert RULES is not None
    assert RULES.differing(value, observed) == differing
