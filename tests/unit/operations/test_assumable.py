"""Specs whose users a baseline never shows, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.kind import Resource
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.parts import Always, ListPart, MessageReference, Part, SendPart
from leanplum_sync.kinds.rows.source import Compression, DataFormat, FileSource, InlineSource, NeededColumn
from leanplum_sync.operations.assumable import never_assumed
from leanplum_sync.problem import Place

PLACE = Place("specs/a.yaml", 1)


def resource(*parts: Part) -> Resource:
    return Resource(
        kind=KINDS["UserAttributes"],
        address=ResourceAddress("UserAttributes", "a"),
        depends_on=(),
        place=PLACE,
        source=FileSource("users.csv", DataFormat.CSV, Compression.NONE, PLACE),
        id_column=NeededColumn("id", PLACE),
        parts=parts,
    )


@pytest.mark.parametrize(
    "part",
    [
        Always(desires.SetAttribute("a", "gold", PLACE)),
        Always(desires.SetAttribute("a", ["x"], PLACE)),
        Always(desires.SetAttribute("a", {"x": 1}, PLACE, only_if_absent=True)),
        Always(desires.RemoveAttribute("a", PLACE)),
        Always(desires.SetProfileField("country", "DE", PLACE)),
        ListPart("a", ("x",), (), PLACE),
    ],
)
def test_a_spec_with_values_that_have_hashes_may_be_assumed(part: Part) -> None:
    assert never_assumed([resource(part)]) == {}


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (Always(desires.SetAttribute("a", {"x": 1}, PLACE)), "values of attribute a can't"),
        (Always(desires.SetAttribute('a"b', "gold", PLACE)), "values of attribute a\"b can't"),
        (Always(desires.IncrementAttribute("a", 1, "once", PLACE)), "increments are counted"),
        (ListPart("a", (["x"],), (), PLACE), "the list in attribute a can't"),
        (SendPart(MessageReference("Hello", None, PLACE), "hello", (), force=False), "sends are decided"),
    ],
)
def test_another_part_is_the_reason_why_all_are_read(part: Part, why: str) -> None:
    (reason,) = never_assumed([resource(Always(desires.SetAttribute("x", 1, PLACE)), part)]).values()
    assert reason.startswith(why)


def test_rows_that_are_read_one_by_one_are_a_reason() -> None:
    inline = replace(
        resource(Always(desires.SetAttribute("a", "gold", PLACE))), source=InlineSource((), PLACE)
    )
    assert list(never_assumed([inline]).values()) == ["its rows don't come from a CSV file or a connection"]


def test_specs_of_devices_are_never_assumed() -> None:
    devices = replace(resource(), kind=KINDS["PushTokens"])
    assert list(never_assumed([devices]).values()) == ["the baseline has no devices"]
