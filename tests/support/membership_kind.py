"""Membership: the level that listed members have. A kind that only tests know, as one would add it."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.desires import SetAttribute
from leanplum_sync.kinds.rows.document import Document, Edge, Listing
from leanplum_sync.kinds.rows.parts import Always
from leanplum_sync.kinds.rows.site import Site, id_column
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.catalogue import KeyClass


class MembershipSpec(Edge):
    members: Listing = Field(description="The members, one a row.", examples=[{"inline": ["user-1"]}])
    level: Literal["basic", "plus"] = Field(description="The level of all members.", examples=["plus"])


class MembershipDocument(Document):
    kind: Literal["Membership"] = Field(description="The kind of document.", examples=["Membership"])
    spec: MembershipSpec = Field(
        description="The members and their level.",
        examples=[{"members": {"inline": ["user-1"]}, "level": "plus"}],
    )


def build(document: MembershipDocument, site: Site) -> Resource:
    level = SetAttribute("membership_level", document.spec.level, site.place(("spec", "level")))
    return resource_at(
        site,
        KIND,
        id_column=id_column(document.spec.members.id, "members", ("userId",), site),
        parts=(Always(level),),
    )


KIND: Final[Kind[MembershipDocument]] = Kind(
    name="Membership",
    summary="Sets the membership level of the listed users.",
    document=MembershipDocument,
    rows_key="members",
    rows=lambda document: document.spec.members,
    subjects=SubjectKind.USER,
    build=build,
    entries=(),
    stand_ins={("spec", "level"): "basic"},
    reads=("exportUser",),
    writes=("setUserAttributes",),
    key=KeyClass.PRODUCTION,
    delivery=(DeliveryClass.REPEATABLE,),
    hazards=(),
    tables={"Membership": MembershipSpec},
)
