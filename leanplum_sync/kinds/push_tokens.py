"""PushTokens: push tokens and fields of listed devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.field_values import ANDROID, IOS, WEB, device_check
from leanplum_sync.kinds.import_format import device_columns
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.names import device_field_name
from leanplum_sync.kinds.rows.cells import Cell
from leanplum_sync.kinds.rows.document import DeviceListing, Document, Edge
from leanplum_sync.kinds.rows.forms import DeviceForm, PlainColumnForm, TokenForm
from leanplum_sync.kinds.rows.parts import DevicePart, Part
from leanplum_sync.kinds.rows.site import Path, Site, id_column
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import DeliveryClass, Json
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.convert import ConversionError


class Tokens(Edge):
    """A device has a token of one platform, so a file may have a column for each."""

    ios: TokenForm | None = Field(
        default=None,
        description="The APNs token: hexadecimal digits; angle brackets and spaces are removed.",
        examples=[{"column": "apns_token"}],
    )
    android: TokenForm | None = Field(
        default=None, description="The FCM registration token.", examples=[{"column": "fcm_token"}]
    )
    web: TokenForm | None = Field(
        default=None,
        description="The web push subscription: JSON with endpoint, key, and auth.",
        examples=[{"column": "web_push"}],
    )


class PushTokensSpec(Edge):
    devices: DeviceListing = Field(
        description="The devices, one per row.",
        examples=[{"file": "data/tokens.csv", "id": "device_id", "user": "user_id"}],
    )
    token: Tokens | None = Field(
        default=None,
        description="The push token of each device. Optional only for files in Leanplum's own format.",
        examples=[{"ios": {"column": "apns_token"}}],
    )
    attributes: dict[Annotated[str, AfterValidator(device_field_name)], DeviceForm] = Field(
        default={},
        description="Fields of the device, such as systemName or deviceModel.",
        examples=[{"systemName": "iOS", "deviceModel": {"column": "model"}}],
    )
    create_users: bool = Field(
        default=False,
        description="Whether to create users and devices that Leanplum doesn't know. This is a hazard.",
        examples=[False],
    )


class PushTokensDocument(Document):
    kind: Literal["PushTokens"] = Field(description="The kind of document.", examples=["PushTokens"])
    spec: PushTokensSpec = Field(
        description="The devices, and the values to set.",
        examples=[
            {"devices": {"file": "data/tokens.csv", "id": "id"}, "token": {"ios": {"column": "apns_token"}}}
        ],
    )


_TOKEN_FIELDS: Final = {"ios": IOS, "android": ANDROID, "web": WEB}


def build(document: PushTokensDocument, site: Site) -> Resource:
    spec = document.spec
    tokens = {key: form for key in _TOKEN_FIELDS if (form := getattr(spec.token, key, None)) is not None}
    if spec.token is not None and not tokens and site.whole:
        site.report(
            ("spec", "token"),
            "no platform is specified",
            "Write ios, android, or web, with the token's column.",
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
    if spec.devices.audience is not None:
        site.report(
            ("spec", "devices", "audience"),
            "an audience lists users, but these rows are about devices",
            "List the devices in a file, a connection, or under `inline`.",
        )
    identity = id_column(spec.devices.id, "devices", ("deviceId",), site)
    if spec.devices.id is None and site.header is not None and identity.name:
        named = {column.name for part in parts for column in part.columns} | {spec.devices.user or ""}
        managed = {*spec.attributes, *(_TOKEN_FIELDS[key] for key in tokens)}
        parts += device_columns(site, ("spec", "devices", "file"), named, managed)
    elif spec.token is None and site.readable and site.whole and identity.name:
        site.report(
            ("spec",), "`token` is missing", "Specify the token's column: token: {ios: {column: apns_token}}."
        )
    return resource_at(
        site,
        KIND,
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
        site.report(path, f"invalid value for {field}: expected {error.expected}")
        return
    yield DevicePart(field, value, site.place(path))


KIND: Final[Kind[PushTokensDocument]] = Kind(
    name="PushTokens",
    summary="Sets push tokens and other fields of the listed devices.",
    document=PushTokensDocument,
    rows_key="devices",
    rows=lambda document: document.spec.devices,
    subjects=SubjectKind.DEVICE,
    build=build,
    entries=("attributes",),
    stand_ins={},
    reads=("exportUser",),
    writes=("setDeviceAttributes",),
    key=KeyClass.PRODUCTION,
    delivery=(DeliveryClass.REPEATABLE,),
    hazards=("createdUsers",),
    tables={"PushTokens": PushTokensSpec, "devices": DeviceListing, "tokens": Tokens},
)
