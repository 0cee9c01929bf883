"""How near an app comes to the most names it may have."""

from __future__ import annotations

import pytest

from leanplum_sync.address import Subject
from leanplum_sync.planner.attribute_names import NEAR, AttributeNames
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.problem import Place

PLACE = Place("a.yaml", 1)


def change(field: str, kind: ChangeKind = ChangeKind.SET) -> Change:
    after = None if kind in (ChangeKind.REMOVE, ChangeKind.RENAMED_AWAY) else 1
    return Change(Subject("user", "u1"), "UserAttributes/a", kind, field, None, after, PLACE, PLACE)


def seen(count: int, **options: str) -> AttributeNames:
    """Names of *count* attributes, of which each user has two."""
    names = AttributeNames(**options)
    for number in range(count):
        names.observe({f"a{number}": 1, f"a{(number + 1) % count}": 2})
    return names


@pytest.mark.claim("names-counted")
def test_new_names_count_once_the_app_is_near_its_limit() -> None:
    for count, expected in ((NEAR - 2, 0), (NEAR - 1, 2), (NEAR + 50, 2)):
        names = seen(count)
        names.plan([change("b1"), change("a0"), change("b2"), change("b1")])
        assert (names.new, names.new_near_ceiling) == ({"b1", "b2"}, expected)


def test_what_gives_no_user_a_name_is_not_counted() -> None:
    names = seen(NEAR)
    kinds = (ChangeKind.REMOVE, ChangeKind.PROFILE, ChangeKind.DEVICE, ChangeKind.SEND, ChangeKind.TAKE_OUT)
    names.plan([change("b", kind) for kind in (*kinds, ChangeKind.RENAMED_AWAY)])
    assert names.new == set()


def test_the_receipts_of_increments_need_a_name_too() -> None:
    names = seen(NEAR, marker="receipt")
    names.plan([change("a0", ChangeKind.INCREMENT)])
    assert names.new == {"receipt"}
