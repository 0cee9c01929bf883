"""PushTokens: push tokens and fields of listed devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from leanplum_sync.address import Subject
from leanplum_sync.kinds.device_values import ANDROID, IOS, WEB, device_check
from leanplum_sync.kinds.import_format import device_columns
from leanplum_sync.kinds.names import device_field_name
from leanplum_sync.kinds.rows.cells import Cell, is_supplied
from leanplum_sync.kinds.rows.desire import Want
from leanplum_sync.kinds.rows.document import DeviceListing, Document, Edge
from leanplum_sync.kinds.rows.forms import DeviceForm, PlainColumnForm, TokenForm
from leanplum_sync.kinds.rows.listing import id_column
from leanplum_sync.kinds.rows.parts import DevicePart, Part
from leanplum_sync.kinds.rows.resource import ResourceBase, checked_id, id_faults
from leanplum_sync.kinds.rows.row import CellError, Row
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ConversionError

KIND = "PushTokens"


class Tokens(Edge):
    """A device has a token of one platform, so a file may have a column for each."""

    ios: TokenForm | None = Field(
        default=None,
        description="The APNs token: hexadecimal digits; angle brackets and blanks are taken out.",
        examples=[{"column": "apns_token"}],
    )
    android: TokenForm | None = Field(
        default=None, description="The FCM registration token.", examples=[{"column": "fcm_token"}]
    )
    web: TokenForm | None = Field(
        default=None,
        description="The web push subscription: JSON with endpoint, key and auth.",
        examples=[{"column": "web_push"}],
    )


class PushTokensSpec(Edge):
    devices: DeviceListing = Field(
        description="The devices, one a row.",
        examples=[{"file": "data/tokens.csv", "id": "device_id", "user": "user_id"}],
    )
    token: Tokens | None = Field(
        default=None,
        description="The push token of each device. May be left out only for files in Leanplum's own format.",
        examples=[{"ios": {"column": "apns_token"}}],
    )
    attributes: dict[Annotated[str, AfterValidator(device_field_name)], DeviceForm] = Field(
        default={},
        description="Fields of the device, such as systemName or deviceModel.",
        examples=[{"systemName": "iOS", "deviceModel": {"column": "model"}}],
    )
    create_users: bool = Field(
        default=False,
        description="Whether users and devices that Leanplum doesn't know come into being. A hazard.",
        examples=[False],
    )


class PushTokensDocument(Document):
    kind: Literal["PushTokens"] = Field(description="The kind of document.", examples=["PushTokens"])
    spec: PushTokensSpec = Field(
        description="Which the devices are, and what they are to have.",
        examples=[
            {"devices": {"file": "data/tokens.csv", "id": "id"}, "token": {"ios": {"column": "apns_token"}}}
        ],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PushTokens(ResourceBase):
    """*user_column* holds the userId, where the file has one."""

    create_users: bool
    user_column: NeededColumn | None

    def columns_needed(self) -> tuple[NeededColumn, ...]:
        needed = ResourceBase.columns_needed(self)
        if self.user_column is None or any(column.name == self.user_column.name for column in needed):
            return needed
        return (*needed, self.user_column)

    def want(self, row: Row) -> Want:
        """
        Return what *row* asks for its device: of its user, where the row names one.

        Raises:
            RowError: the row has problems; all of them are in it.
        """
        values = row.values
        try:
            device_id = checked_id(values.get(self.id_column.name), self.id_column.name)
            subject = Subject.device(device_id)
            if self.user_column is not None and is_supplied(user_id := values.get(self.user_column.name)):
                subject = Subject.user(checked_id(user_id, self.user_column.name))
            desires = [wish for part in self.parts if (wish := part.desire(values, device_id)) is not None]
        except CellError:
            raise self.row_error(row) from None
        return Want(self.address, subject, self.create_users, row.place, tuple(desires))

    def _id_faults(self, values: Mapping[str, Json]) -> Iterator[CellError]:
        yield from ResourceBase._id_faults(self, values)  # noqa: SLF001 - the base of a class with slots
        if self.user_column is not None and is_supplied(values.get(self.user_column.name)):
            yield from id_faults(values, self.user_column.name)


_TOKEN_FIELDS: Final = {"ios": IOS, "android": ANDROID, "web": WEB}


def build(document: PushTokensDocument, site: Site) -> PushTokens:
    spec = document.spec
    tokens = {key: form for key in _TOKEN_FIELDS if (form := getattr(spec.token, key, None)) is not None}
    if spec.token is not None and not tokens and site.whole:
        site.report(
            ("spec", "token"), "no platform is named", "Write ios, android or web, with the token's column."
        )
    parts: list[Part] = [
        *(
            part
            for key, form in tokens.items()
            for part in _part(_TOKEN_FIELDS[key], form, ("spec", "token", key), site)
        ),
        *(
            part
            for name, form in spec.attributes.items()
            for part in _part(name, form, ("spec", "attributes", name), site)
        ),
    ]
    identity = id_column(spec.devices.id, "devices", ("deviceId",), site)
    if spec.devices.id is None and site.header is not None and identity.name:
        named = {column for part in parts for column in part.columns} | {spec.devices.user or ""}
        managed = {*spec.attributes, *(_TOKEN_FIELDS[key] for key in tokens)}
        parts += device_columns(site, ("spec", "devices", "file"), named, managed)
    elif spec.token is None and site.readable and site.whole and identity.name:
        site.report(
            ("spec",), "`token` is missing", "Name the token's column: token: {ios: {column: apns_token}}."
        )
    return PushTokens(
        address=site.address,
        depends_on=site.depends_on,
        place=site.place(("kind",)),
        source=site.source,
        id_column=identity,
        parts=tuple(parts),
        create_users=spec.create_users,
        user_column=_user_column(spec.devices, site),
    )


def _user_column(devices: DeviceListing, site: Site) -> NeededColumn | None:
    if devices.user is not None:
        return NeededColumn(devices.user, site.place(("spec", "devices", "user")))
    if devices.id is None and "userId" in (site.header or ()):
        return NeededColumn("userId", site.place(("spec", "devices", "file")))
    return None


def _part(field: str, form: Json, path: Path, site: Site) -> Iterator[Part]:
    check = device_check(field)
    if isinstance(form, PlainColumnForm):
        yield DevicePart(field, Cell(form.column, check=check), site.place(path))
        return
    try:
        value = check(form)
    except ConversionError as error:
        site.report(path, f"this can't be the value of {field}: expected {error.expected}")
        return
    yield DevicePart(field, value, site.place(path))
