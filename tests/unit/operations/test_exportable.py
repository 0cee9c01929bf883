"""Which attributes are exported, and which specs no export can settle."""

from __future__ import annotations

import pytest

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.kind import Resource
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.parts import Always, ListPart, MessageReference, Part, SendPart
from leanplum_sync.kinds.rows.source import InlineSource, NeededColumn
from leanplum_sync.operations.exportable import exportable, managed
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json

PLACE = Place("specs/a.yaml", 1)


def resource(*parts: Part, name: str = "a") -> Resource:
    return Resource(
        kind=KINDS["UserAttributes"],
        address=ResourceAddress("UserAttributes", name),
        depends_on=(),
        place=PLACE,
        source=InlineSource((), PLACE),
        id_column=NeededColumn("userId", PLACE),
        parts=parts,
    )


def sets(name: str, value: Json, *, only_if_absent: bool = False) -> Always:
    return Always(desires.SetAttribute(name, value, PLACE, only_if_absent))


@pytest.mark.parametrize(
    "part",
    [sets("a", "gold"), sets("a", value=True), sets("a", "2026-11-30"), sets("a", 3, only_if_absent=True)],
)
def test_an_attribute_whose_value_an_export_shows_exactly_is_exported(part: Part) -> None:
    found = exportable([resource(part)])
    assert (found.attributes, found.read_live) == (("a",), {})


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (sets("a", 3), "the type of attribute a"),
        (sets("a", "3"), "the type of attribute a"),
        (sets("a", ["x"]), "the type of attribute a"),
        (Always(desires.RemoveAttribute("a", PLACE)), "that a user lacks attribute a"),
        (Always(desires.TakeAttribute("a", "b", None, PLACE)), "the type of attribute a"),
        (Always(desires.AlterList("a", ("x",), (), PLACE)), "the list in attribute a"),
        (ListPart("a", ("x",), (), PLACE), "the list in attribute a"),
        (Always(desires.IncrementAttribute("a", 1, "once", PLACE)), "increments"),
        (Always(desires.SetProfileField("country", "DE", PLACE)), "profile fields such as country"),
        (SendPart(MessageReference("Hello", None, PLACE), "hello", (), force=False), "sends"),
    ],
)
def test_no_job_is_spent_on_a_spec_whose_users_are_read_anyway(part: Part, why: str) -> None:
    found = exportable([resource(sets("tier", "gold"), part), resource(sets("vip", value=True), name="b")])
    assert found.attributes == ("vip",)
    assert why in found.read_live[ResourceAddress("UserAttributes", "a")]


def test_all_attributes_of_users_that_specs_set_are_managed() -> None:
    parts = [
        sets("tier", "gold"),
        Always(desires.RemoveAttribute("old", PLACE)),
        ListPart("tags", ("x",), (), PLACE),
        Always(desires.SetProfileField("country", "DE", PLACE)),
        SendPart(MessageReference("Hello", None, PLACE), "hello", (), force=False),
    ]
    assert managed([resource(*parts), resource(sets("tier", "silver"), name="b")]) == ("old", "tags", "tier")
