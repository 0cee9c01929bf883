"""Events: what the listed users did in the past, such as orders from before the app. Each row is an event, sent once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.names import attribute_fault
from leanplum_sync.kinds.rows.cells import Check, attribute_value
from leanplum_sync.kinds.rows.document import UNNAMED, ColumnName, Document, Edge, Listing, OnceName, wrong
from leanplum_sync.kinds.rows.forms import CellForm, MessageValueForm, compiled_cell
from leanplum_sync.kinds.rows.parts import EventPart, NamedValue
from leanplum_sync.kinds.rows.site import Path, Site, id_column
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.convert import ConversionError, InexactError, ValueType, convert, epoch_seconds
from leanplum_sync.wire.event import PARAMETERS
from leanplum_sync.wire.limits import NAME_LENGTH

_UNNAMED: Final = "\t"  # stands for a column that the spec doesn't name
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def _parameter_name(name: str) -> str:
    if fault := attribute_fault(name):
        raise wrong(f"this is not a valid name of a parameter: it {fault}", "Leanplum would refuse it.")
    return name


class EventsSpec(Edge):
    users: Listing = Field(
        description="The events, one per row, each with the id of its user.",
        examples=[{"file": "data/orders.csv", "id": "customer_id"}],
    )
    event: MessageValueForm = Field(
        description="The name of the event, for all rows or from a column. Leanplum counts the value of `Purchase` as revenue.",
        examples=["Purchase"],
    )
    key: ColumnName = Field(
        description="The column with the key of the row, such as an order number. A user gets an event with the same key only"
        " once, even if its other columns change.",
        examples=["order_id"],
    )
    time: CellForm = Field(
        description="When the event happened: ISO 8601, or seconds since 1970. It must be in the past.",
        examples=[{"column": "ordered_at"}],
    )
    value: MessageValueForm | None = Field(
        default=None, description="The value of the event, a number.", examples=[{"column": "total"}]
    )
    currency: MessageValueForm | None = Field(
        default=None,
        description="The currency of `value`, as three letters of ISO 4217. Leanplum converts the value to the app's currency.",
        examples=["EUR"],
    )
    parameters: dict[Annotated[str, AfterValidator(_parameter_name)], MessageValueForm] = Field(
        default={},
        description=f"Parameters of the event, at most {PARAMETERS}.",
        examples=[{"sku": {"column": "sku"}, "channel": "web"}],
    )
    totals: Literal["none", "old", "all"] = Field(
        default="none",
        description="Which events are not sent one by one, but added to the user's totals (count, value, first and last time):"
        " `none`, `old` (events from more than 360 days ago), or `all`. Totals trigger no campaigns. Without `old` or `all`,"
        " events that are more than 360 days old are problems, because Leanplum would record them as happening now.",
        examples=["old"],
    )
    delivery: OnceName = Field(
        description="The name of this import, independent of the document's name. Each user gets the event of a key only once per name.",
        examples=["2026-orders"],
    )


class EventsDocument(Document):
    kind: Literal["Events"] = Field(description="The kind of document.", examples=["Events"])
    spec: EventsSpec = Field(
        description="The events, their users, and the name of the import.",
        examples=[
            {
                "users": {"file": "data/orders.csv", "id": "customer_id"},
                "event": "Purchase",
                "key": "order_id",
                "time": {"column": "ordered_at"},
                "delivery": "2026-orders",
            }
        ],
    )


def build(document: EventsDocument, site: Site) -> Resource:
    spec = document.spec
    _check(spec, site)
    identity = id_column(spec.users.id, "users", ("userId",), site)
    # Keys that are missing or wrong are reported, and the rest is still checked.
    key = None if spec.key == _UNNAMED else NeededColumn(spec.key, site.place(("spec", "key")))
    event = next(_value("event", spec.event, _event_name, site, is_required=True), None)
    has_time = spec.time.column != _UNNAMED
    time = next(_value("time", spec.time if has_time else None, epoch_seconds, site, is_required=True), None)
    part = EventPart(
        imported_as=spec.delivery,
        key=key,
        event=event or NamedValue("event", UNNAMED, site.place(("spec", "event"))),
        time=time or NamedValue("time", site.now, site.place(("spec", "time"))),
        value=next(_value("value", spec.value, _number, site, is_number=True), None),
        currency=next(_value("currency", spec.currency, _currency, site), None),
        parameters=tuple(
            each
            for name, form in spec.parameters.items()
            for each in _value(name, form, _single, site, under=("parameters",))
        ),
        totals=spec.totals,
        now=site.now,
    )
    return resource_at(site, KIND, id_column=identity, parts=(part,))


def _check(spec: EventsSpec, site: Site) -> None:
    if len(spec.parameters) > PARAMETERS:
        site.report(
            ("spec", "parameters"),
            f"there are {len(spec.parameters)} parameters, and an event can have {PARAMETERS}",
            "Remove some of them.",
        )
    if spec.currency is not None and spec.value is None:
        site.report(
            ("spec", "currency"), "there is a currency, but no `value`", "Add `value`, or remove `currency`."
        )
    if spec.currency is not None and spec.totals != "none":
        site.report(
            ("spec", "currency"),
            "totals have no currency: Leanplum would add the values without converting them",
            "Convert the values to the app's currency, or remove `totals`.",
        )
    if spec.totals == "all" and spec.parameters:
        site.report(
            ("spec", "parameters"),
            "totals have no parameters",
            "Remove `parameters`, or write `totals: old`.",
        )


def _value(
    name: str,
    form: Json,
    check: Check,
    site: Site,
    *,
    under: tuple[str, ...] = (),
    is_required: bool = False,
    is_number: bool = False,
) -> Iterator[NamedValue]:
    """Yield the value of *name*, a cell or the same for all rows; nothing if there is none, or it has a problem."""
    path: Path = ("spec", *under, name)
    if form is None:
        return
    if isinstance(form, CellForm):
        for cell in compiled_cell(form, check, path, site, lists=False):
            source = replace(cell, is_required=is_required, is_number=is_number)
            yield NamedValue(name, source, site.place(path))
        return
    try:
        yield NamedValue(name, check(form), site.place(path))
    except ConversionError as error:
        hint = "" if is_number and isinstance(error, InexactError) else error.hint
        site.report(path, f"this is not a valid value: expected {error.expected}", hint)


def _event_name(value: Json) -> str:
    if not isinstance(value, str):
        raise ConversionError("the name of an event, which is text")
    if fault := attribute_fault(value):
        raise ConversionError(f"a valid name of an event: it {fault}")
    return value


def _number(value: Json) -> float:
    number: float = convert(value, ValueType.NUMBER)
    attribute_value(number)
    return number


def _currency(value: Json) -> str:
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ConversionError("a currency as three capital letters, such as EUR")
    return value


def _single(value: Json) -> Json:
    if isinstance(value, list | tuple):
        raise ConversionError("a single value")
    if isinstance(value, str) and len(value) > NAME_LENGTH:
        # Source: Leanplum docs, api-limits: values of parameters have the same limit as names.
        raise ConversionError(f"text of up to {NAME_LENGTH} characters")
    return attribute_value(value)


KIND: Final[Kind[EventsDocument]] = Kind(
    name="Events",
    summary="Imports past events of the listed users, each once.",
    document=EventsDocument,
    rows_key="users",
    rows=lambda document: document.spec.users,
    subjects=SubjectKind.USER,
    build=build,
    entries=("parameters",),
    stand_ins={
        ("spec", "event"): UNNAMED,
        ("spec", "key"): _UNNAMED,
        ("spec", "time"): {"column": _UNNAMED},
        ("spec", "delivery"): UNNAMED,
    },
    reads=("exportUser", "getMessages"),
    writes=("track", "setUserAttributes"),
    key=KeyClass.PRODUCTION,
    delivery=(DeliveryClass.ONCE,),
    hazards=("events", "repeatedEvents", "triggersCampaigns", "suspectedRename"),
    tables={"Events": EventsSpec},
)
