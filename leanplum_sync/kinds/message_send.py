"""MessageSend: one message to each of the listed users, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.cells import attribute_value
from leanplum_sync.kinds.rows.document import UNNAMED, Document, Edge, Listing, OnceName, wrong
from leanplum_sync.kinds.rows.forms import CellForm, MessageValueForm, compiled_cell
from leanplum_sync.kinds.rows.parts import MessageReference, NamedValue, SendPart
from leanplum_sync.kinds.rows.site import Path, Site, id_column
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.convert import ConversionError


def _message_id(value: Json) -> int:
    match value:
        case bool():
            pass
        case int() if value > 0:
            return value
        case str() if value.isascii() and value.isdigit():
            return int(value)
    raise wrong(
        "a message's id is a whole number", "Copy it from the address of the message in the dashboard."
    )


class MessageModel(Edge):
    name: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="The message's name in the dashboard.", examples=["Order delay"]
    )
    id: (
        Annotated[int, BeforeValidator(_message_id), WithJsonSchema({"type": ["integer", "string"]})] | None
    ) = Field(
        default=None,
        description="The message's id, if the name is not unique.",
        examples=[5670583287676928],
    )

    @model_validator(mode="after")
    def _is_named_in_one_way(self) -> Self:
        if (self.name is None) == (self.id is None):
            raise wrong("give either the message's name or its id", "Write {name: ...} or {id: ...}.")
        return self


class MessageSendSpec(Edge):
    message: MessageModel = Field(
        description="The message, by name or id. It must be active, and its delivery must be set to manual.",
        examples=[{"name": "Order delay"}],
    )
    recipients: Listing = Field(
        description="The recipients, one per row.", examples=[{"file": "data/late.csv", "id": "user_id"}]
    )
    values: dict[Annotated[str, StringConstraints(min_length=1)], MessageValueForm] = Field(
        default={},
        description="Values for the message's placeholders.",
        examples=[{"first_name": {"column": "first_name"}, "delay_days": 3}],
    )
    delivery: OnceName = Field(
        description="The name of this send, independent of the document's name. Each recipient gets the message only once per name.",
        examples=["2026-11-order-delay"],
    )
    force: bool = Field(
        default=False,
        description="Whether to ignore the message's own targeting. This is a hazard.",
        examples=[False],
    )


class MessageSendDocument(Document):
    kind: Literal["MessageSend"] = Field(description="The kind of document.", examples=["MessageSend"])
    spec: MessageSendSpec = Field(
        description="The message, its recipients, and the name of the delivery.",
        examples=[
            {"message": {"name": "Hi"}, "recipients": {"inline": ["user-1"]}, "delivery": "2026-11-hi"}
        ],
    )


def build(document: MessageSendDocument, site: Site) -> Resource:
    spec = document.spec
    message = MessageReference(spec.message.name, spec.message.id, site.place(("spec", "message")))
    values = tuple(value for name, form in spec.values.items() for value in _value(name, form, site))
    return resource_at(
        site,
        KIND,
        id_column=id_column(spec.recipients.id, "recipients", ("userId",), site),
        parts=(SendPart(message, spec.delivery, values, spec.force),),
    )


def _value(name: str, form: Json, site: Site) -> Iterator[NamedValue]:
    path: Path = ("spec", "values", name)
    if isinstance(form, CellForm):
        for cell in compiled_cell(form, _single, path, site, lists=False):
            yield NamedValue(name, cell, site.place(path))
    else:
        yield NamedValue(name, form, site.place(path))


def _single(value: Json) -> Json:
    if isinstance(value, list | tuple):
        raise ConversionError("a single value")
    return attribute_value(value)


KIND: Final[Kind[MessageSendDocument]] = Kind(
    name="MessageSend",
    summary="Sends one message to each of the listed users, once.",
    document=MessageSendDocument,
    rows_key="recipients",
    rows=lambda document: document.spec.recipients,
    subjects=SubjectKind.USER,
    build=build,
    entries=("values",),
    stand_ins={("spec", "message"): {"name": UNNAMED}, ("spec", "delivery"): UNNAMED},
    reads=("exportUser", "getMessages"),
    writes=("sendMessage",),
    key=KeyClass.PRODUCTION,
    delivery=(DeliveryClass.ONCE,),
    hazards=("sends", "repeatedSends", "suspectedRename", "forcedSends"),
    tables={"MessageSend": MessageSendSpec, "message": MessageModel},
)
