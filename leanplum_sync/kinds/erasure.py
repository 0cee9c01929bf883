"""Erasure: the listed users are deleted, or blocked, and what this project keeps about them is deleted, too."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.document import Document, Edge, Listing
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.forms import PlainColumnForm
from leanplum_sync.kinds.rows.site import Site, id_column
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.catalogue import KeyClass


class ErasureSpec(Edge):
    users: Listing = Field(
        description="The users to erase, one per row. No other spec may list them.",
        examples=[{"file": "data/erasures.csv", "id": "user_id"}],
    )
    full: bool = Field(
        description=(
            "Whether to erase sessions and analytics too, which takes Leanplum up to 15 days. `false` deletes only the profile. There is"
            " no default: one keeps personal data, the other can't be undone."
        ),
        examples=[True],
    )
    block: bool = Field(
        default=False,
        description=(
            "Whether to block the users instead of deleting them. Leanplum then erases their data, but keeps their ids and refuses"
            " whatever apps send about them, so that nothing creates the users again. Requires `full: true`."
        ),
        examples=[True],
    )
    request: PlainColumnForm | None = Field(
        default=None,
        description="The column with the id of each user's request, such as a ticket. The receipt has it.",
        examples=[{"column": "ticket"}],
    )


class ErasureDocument(Document):
    kind: Literal["Erasure"] = Field(description="The kind of document.", examples=["Erasure"])
    spec: ErasureSpec = Field(
        description="The users to erase, and how.",
        examples=[{"users": {"inline": ["user-1"]}, "full": True}],
    )


def build(document: ErasureDocument, site: Site) -> Resource:
    spec = document.spec
    if spec.block and not spec.full and site.whole:
        site.report(
            ("spec", "full"),
            "blocking a user erases sessions and analytics too",
            "Write full: true, or delete the line with `block`.",
        )
    if spec.users.audience is not None:
        site.report(
            ("spec", "users", "audience"),
            "an audience can't be erased: who belongs to it may change before anybody looks",
            "List the users in a file, or under `inline`.",
        )
    request = None
    if spec.request is not None:
        request = NeededColumn(spec.request.column, site.place(("spec", "request")))
    part = ErasePart(spec.full, spec.block, request, site.place(("spec", "users")))
    return resource_at(
        site, KIND, id_column=id_column(spec.users.id, "users", ("userId",), site), parts=(part,)
    )


KIND: Final[Kind[ErasureDocument]] = Kind(
    name="Erasure",
    summary="Erases the listed users, and what the project keeps about them.",
    document=ErasureDocument,
    rows_key="users",
    rows=lambda document: document.spec.users,
    subjects=SubjectKind.USER,
    build=build,
    entries=(),
    stand_ins={("spec", "full"): True},
    reads=("exportUser",),
    writes=("deleteUser", "block"),
    key=KeyClass.DEVELOPMENT,
    delivery=(DeliveryClass.REPEATABLE,),
    hazards=("erased",),
    tables={"Erasure": ErasureSpec},
)
