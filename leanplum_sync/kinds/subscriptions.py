"""Subscriptions: the channels and categories that listed users are unsubscribed from, or re-subscribed to with their consent."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.document import Document, Edge, Listing, wrong
from leanplum_sync.kinds.rows.forms import CellForm, MessageValueForm, PlainColumnForm, compiled_cell
from leanplum_sync.kinds.rows.site import Path, Site, id_column
from leanplum_sync.kinds.rows.subscription_part import STATES, UNCHANGED, Consent, SubscriptionPart
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.convert import ConversionError
from leanplum_sync.wire.subscription import CHANNELS, SUBSCRIBED, category

_OTHER_NAMES: Final = {"App Inbox": "Newsfeed Message", "Push": "Push Notification"}
_EXPECTED: Final = f"{', '.join(STATES[:-1])}, or {STATES[-1]}"


def channel_name(name: str) -> str:
    """
    Raises:
        PydanticCustomError: Leanplum has no such channel.
    """
    if name not in CHANNELS:
        close = _OTHER_NAMES.get(name) or next(
            (known for known in CHANNELS if difflib.get_close_matches(name.lower(), [known.lower()], 1)), None
        )
        raise wrong(
            "there is no such channel",
            f"Did you mean {close}?" if close else f"The channels are {', '.join(CHANNELS)}.",
        )
    return name


def category_id(text: str) -> str:
    """
    Raises:
        PydanticCustomError: it is not the id of an unsubscribe category.
    """
    if not (text.isascii() and text.isdigit()) or text.startswith("0"):
        raise wrong(
            "the id of a category is a whole number",
            "To list the ids: leanplum-sync call getUnsubscribeCategories.",
        )
    return text


class SubscriptionsSpec(Edge):
    users: Listing = Field(
        description="The users, one per row.", examples=[{"file": "data/opt-outs.csv", "id": "user_id"}]
    )
    channels: dict[Annotated[str, AfterValidator(channel_name)], MessageValueForm] = Field(
        default={},
        description=(
            f"The state of each channel ({', '.join(CHANNELS)}): {_EXPECTED}, for all users or from a column. `Email` stands for"
            " all marketing categories."
        ),
        examples=[{"Email": "unsubscribed", "Push Notification": {"column": "push"}}],
    )
    categories: dict[
        Annotated[str, StringConstraints(min_length=1), AfterValidator(category_id)], MessageValueForm
    ] = Field(
        default={},
        description=f"The state of each unsubscribe category, by its id: {_EXPECTED}, for all users or from a column.",
        examples=[{"5": {"column": "news", "map": {"no": "unsubscribed", "yes": "unchanged"}}}],
    )
    consent: PlainColumnForm | None = Field(
        default=None,
        description=(
            "The column with the date on which each user consented to be re-subscribed, such as 2026-11-30. Required for"
            " `subscribed`. A consent is used once, and only if the user has not unsubscribed since."
        ),
        examples=[{"column": "consented_at"}],
    )


class SubscriptionsDocument(Document):
    kind: Literal["Subscriptions"] = Field(description="The kind of document.", examples=["Subscriptions"])
    spec: SubscriptionsSpec = Field(
        description="The users, and their channels and categories.",
        examples=[{"users": {"inline": ["user-1"]}, "channels": {"Email": "unsubscribed"}}],
    )


def build(document: SubscriptionsDocument, site: Site) -> Resource:
    spec = document.spec
    consent = None
    if spec.consent is not None:
        consent = Consent(spec.consent.column, site.place(("spec", "consent")), site.now)
    fields = (
        *((name, ("spec", "channels", name), form) for name, form in spec.channels.items()),
        *((category(each), ("spec", "categories", each), form) for each, form in spec.categories.items()),
    )
    parts = tuple(part for name, path, form in fields for part in _part(name, path, form, consent, site))
    identity = id_column(spec.users.id, "users", ("userId",), site)
    if not fields and site.whole:
        site.report(
            ("spec",),
            "this spec changes nothing",
            "List channels, such as channels: {Email: unsubscribed}, or categories.",
        )
    if (
        consent is not None
        and fields
        and site.whole
        and not any(_may_resubscribe(form) for *_, form in fields)
    ):
        site.report(
            ("spec", "consent"),
            "nothing in this spec re-subscribes users, so it needs no consent",
            "Delete the line, or set a channel or category to subscribed.",
        )
    return resource_at(site, KIND, id_column=identity, parts=parts)


def _part(
    name: str, path: Path, form: Json, consent: Consent | None, site: Site
) -> Iterator[SubscriptionPart]:
    """Yield the part for *form*; nothing if it has a problem, which is then reported."""
    asked_at = site.place(path)
    if consent is None and _names_subscribed(form) and site.whole:
        site.report(
            path,
            "this re-subscribes users, but the spec has no `consent`",
            "Name the column with the dates of their consents: consent: {column: consented_at}.",
        )
        return
    # The line with the consent may be one of the faulty parts that were left out.
    is_incomplete = consent is None and not site.whole and _may_resubscribe(form)
    if isinstance(form, CellForm):
        if form.type is not None:
            site.report(
                (*path, "type"), f"a state has no type: it is {_EXPECTED}", "Use `map` to convert values."
            )
            return
        for cell in compiled_cell(form, _state, path, site, lists=False):
            if not is_incomplete:
                yield SubscriptionPart(name, cell, consent, asked_at)
        return
    try:
        state = _state(form)
    except ConversionError as error:
        site.report(path, f"this is not a valid state: expected {error.expected}")
        return
    if state == UNCHANGED:
        site.report(path, "unchanged for all users changes nothing", "Delete the line.")
        return
    if not is_incomplete:
        yield SubscriptionPart(name, state, consent, asked_at)


def _state(value: Json) -> str:
    if not isinstance(value, str) or value not in STATES:
        raise ConversionError(_EXPECTED, "Use `map` to convert values such as yes and no.")
    return value


def _names_subscribed(form: Json) -> bool:
    if not isinstance(form, CellForm):
        return bool(form == SUBSCRIBED)
    return SUBSCRIBED in (*_mapped(form).values(), form.otherwise)


def _may_resubscribe(form: Json) -> bool:
    return _names_subscribed(form) or (isinstance(form, CellForm) and form.map is None)


def _mapped(form: CellForm) -> Mapping[str, Json]:
    return form.map or {}


KIND: Final[Kind[SubscriptionsDocument]] = Kind(
    name="Subscriptions",
    summary="Unsubscribes the listed users from channels and categories, or re-subscribes them with their consent.",
    document=SubscriptionsDocument,
    rows_key="users",
    rows=lambda document: document.spec.users,
    subjects=SubjectKind.USER,
    build=build,
    entries=("channels", "categories"),
    stand_ins={},
    reads=("exportUser",),
    writes=("setUserAttributes",),
    key=KeyClass.PRODUCTION,
    delivery=(DeliveryClass.REPEATABLE, DeliveryClass.CHECKABLE),
    hazards=("resubscribes", "unsubscribes"),
    tables={"Subscriptions": SubscriptionsSpec},
)
