"""Which requests count as billable, and how many users they look up."""

from __future__ import annotations

import pytest

from leanplum_sync.client.meter import metering
from leanplum_sync.errors import (
    CredentialError,
    JournalError,
    MovedError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    RejectedError,
    UnexpectedResponseError,
)
from leanplum_sync.wire.action import Action
from leanplum_sync.wire.billing import Lookups, lookups_of

READ = Action("exportUser", {"userId": "u1"})


def set_(user: str) -> Action:
    return Action("setUserAttributes", {"userId": user, "userAttributes": {"tier": "gold"}})


@pytest.mark.parametrize(
    ("actions", "cost"),
    [
        ([READ], Lookups(reads=1)),
        ([set_("u1"), set_("u1"), set_("u2")], Lookups(writes=2)),
        ([READ, set_("u1")], Lookups(writes=1)),
        ([set_("u1"), READ], Lookups(writes=1)),
        ([READ, set_("u2")], Lookups(reads=1, writes=1)),
        ([Action("deleteUser", {"userId": "u1"})], Lookups()),
        ([Action("getMessages", {})], Lookups()),
        ([Action("noSuchAction", {"userId": "u1"})], Lookups()),
        ([Action("exportUser", {"deviceId": "d"}), Action("exportUser", {"userId": "d"})], Lookups(reads=2)),
        ([Action("exportUser", {"userId": "", "deviceId": "d"})], Lookups(reads=1)),
        ([Action("exportUser", {})], Lookups()),
    ],
)
def test_a_request_costs_its_unique_users(actions: list[Action], cost: Lookups) -> None:
    assert lookups_of(actions) == cost


@pytest.mark.parametrize(
    ("error", "is_billed"),
    [
        (NoAnswerError("lost"), True),
        (UnexpectedResponseError("a page"), True),
        (MovedError("elsewhere"), True),
        (RejectedError("no", status=404), True),
        (RateLimitedError("later", status=429), False),
        (NotSentError("refused"), False),
        (CredentialError("wrong key"), False),
        (JournalError("stopped before it was sent"), False),
    ],
)
def test_a_failed_request_counts_if_it_may_have_been_carried_out(
    error: Exception, *, is_billed: bool
) -> None:
    spent: list[Lookups] = []
    with pytest.raises(type(error)), metering([READ], spent.append):
        raise error
    assert spent == ([Lookups(reads=1)] if is_billed else [])


def test_a_request_that_was_refused_as_a_whole_does_not_count() -> None:
    spent: list[Lookups] = []
    with metering([READ], spent.append) as request:
        request.is_refused = True
    assert spent == []
    with metering([READ], spent.append):
        pass
    assert spent == [Lookups(reads=1)]
