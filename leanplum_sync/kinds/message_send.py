"""MessageSend: one message to each of the listed users, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from leanplum_sync.address import Subject
from leanplum_sync.kinds.rows.cells import Cell, attribute_value
from leanplum_sync.kinds.rows.compile_cell import compiled_cell
from leanplum_sync.kinds.rows.desire import Send, Want
from leanplum_sync.kinds.rows.document import Document, Edge, Listing, OnceName, wrong
from leanplum_sync.kinds.rows.forms import CellForm, MessageValueForm
from leanplum_sync.kinds.rows.listing import id_column
from leanplum_sync.kinds.rows.resource import Reader, ResourceBase, checked_id
from leanplum_sync.kinds.rows.row import CellError, Row
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError

KIND = "MessageSend"


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
        description="The message's id, where the name is not unique.",
        examples=[5670583287676928],
    )

    @model_validator(mode="after")
    def _is_named_in_one_way(self) -> Self:
        if (self.name is None) == (self.id is None):
            raise wrong("a message is named by either its name or its id", "Write {name: ...} or {id: ...}.")
        return self


class MessageSendSpec(Edge):
    message: MessageModel = Field(
        description="The message, by name or by id: one that is started, with delivery set to manual.",
        examples=[{"name": "Order delay"}],
    )
    recipients: Listing = Field(
        description="The users who get it, one a row.", examples=[{"file": "data/late.csv", "id": "user_id"}]
    )
    values: dict[Annotated[str, StringConstraints(min_length=1)], MessageValueForm] = Field(
        default={},
        description="Values for the message's placeholders.",
        examples=[{"first_name": {"column": "first_name"}, "delay_days": 3}],
    )
    delivery: OnceName = Field(
        description="The identity of this send, together with the resource's name: under both, each recipient gets it once.",
        examples=["2026-11-order-delay"],
    )
    force: bool = Field(
        default=False,
        description="Whether it goes past the message's own targeting. A hazard.",
        examples=[False],
    )


class MessageSendDocument(Document):
    kind: Literal["MessageSend"] = Field(description="The kind of document.", examples=["MessageSend"])
    spec: MessageSendSpec = Field(
        description="What is sent, to whom, and under which identity.",
        examples=[
            {"message": {"name": "Hi"}, "recipients": {"inline": ["user-1"]}, "delivery": "2026-11-hi"}
        ],
    )


@dataclass(frozen=True, slots=True)
class MessageReference:
    """How the spec names the message: by exactly one of the two. *place* is where it does."""

    name: str | None
    id: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class MessageValue:
    name: str
    source: Cell | Json
    asked_at: Place

    def read(self, values: Mapping[str, Json]) -> Json:
        """
        Return the value for a row, or None where the row supplies none.

        Raises:
            CellError: the cell holds something else than the spec says.
        """
        return self.source.read(values) if isinstance(self.source, Cell) else self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSend(ResourceBase):
    message: MessageReference
    delivery: str
    force: bool
    values: tuple[MessageValue, ...]

    def columns_needed(self) -> tuple[NeededColumn, ...]:
        needed = {self.id_column.name: self.id_column}
        for value in self.values:
            if isinstance(value.source, Cell):
                needed.setdefault(value.source.column, NeededColumn(value.source.column, value.asked_at))
        return tuple(needed.values())

    def want(self, row: Row) -> Want:
        """
        Return the send to *row*'s user.

        Raises:
            RowError: the row has problems; all of them are in it.
        """
        try:
            user_id = checked_id(row.values.get(self.id_column.name), self.id_column.name)
            values = {
                value.name: found for value in self.values if (found := value.read(row.values)) is not None
            }
        except CellError:
            raise self.row_error(row) from None
        send = Send(self.delivery, values, self.force, self.message.place)
        return Want(self.address, Subject.user(user_id), create=False, found_at=row.place, desires=(send,))

    def _readers(self) -> Iterator[tuple[Place, Reader]]:
        return ((value.asked_at, value.read) for value in self.values)


def build(document: MessageSendDocument, site: Site) -> MessageSend:
    spec = document.spec
    return MessageSend(
        address=site.address,
        depends_on=site.depends_on,
        place=site.place(("kind",)),
        source=site.source,
        id_column=id_column(spec.recipients.id, "recipients", ("userId",), site),
        parts=(),
        message=MessageReference(spec.message.name, spec.message.id, site.place(("spec", "message"))),
        delivery=spec.delivery,
        force=spec.force,
        values=tuple(value for name, form in spec.values.items() for value in _value(name, form, site)),
    )


def _value(name: str, form: Json, site: Site) -> Iterator[MessageValue]:
    path: Path = ("spec", "values", name)
    if isinstance(form, CellForm):
        for cell in compiled_cell(form, _single, path, site, lists=False):
            yield MessageValue(name, cell, site.place(path))
    else:
        yield MessageValue(name, form, site.place(path))


def _single(value: Json) -> Json:
    if isinstance(value, list | tuple):
        raise ConversionError("a single value")
    return attribute_value(value)
