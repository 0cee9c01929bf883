"""What drift compares, and what it leaves out."""

from __future__ import annotations

from pathlib import Path

from leanplum_sync.address import ResourceAddress
from leanplum_sync.kinds.kind import Resource
from leanplum_sync.kinds.registry import KINDS
from leanplum_sync.kinds.rows.desires import SetAttribute
from leanplum_sync.kinds.rows.parts import Always, MessageReference, Part, SendPart
from leanplum_sync.kinds.rows.source import InlineSource, NeededColumn
from leanplum_sync.operations.drift import without_sends
from leanplum_sync.problem import Place
from leanplum_sync.specs import Loaded

PLACE = Place("specs/a.yaml", 1)
SEND = SendPart(MessageReference("Hello", None, PLACE), "hello", (), force=False)
SET = Always(SetAttribute("tier", "gold", PLACE))


def resource(kind: str, *parts: Part) -> Resource:
    return Resource(
        kind=KINDS[kind],
        address=ResourceAddress(kind, "a"),
        depends_on=(),
        place=PLACE,
        source=InlineSource((), PLACE),
        id_column=NeededColumn("userId", PLACE),
        parts=parts,
    )


def test_sends_are_left_out_also_where_a_kind_does_more_than_send() -> None:
    loaded = Loaded(
        Path(), None, (resource("MessageSend", SEND), resource("UserAttributes", SEND, SET)), (), ()
    )
    (kept,) = without_sends(loaded).resources
    assert (kept.kind.name, kept.parts) == ("UserAttributes", (SET,))
