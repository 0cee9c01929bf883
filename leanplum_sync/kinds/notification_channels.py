"""NotificationChannels: notification channels of Android, by their ids. Channels that no spec names stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.desires import RemoveThing, SetThing, Want
from leanplum_sync.kinds.rows.document import Document, Edge, wrong
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.catalogue import KeyClass


def channel_id(text: str) -> str:
    """
    Raises:
        PydanticCustomError: no channel can have this id.
    """
    if not text or text != text.strip() or not text.isprintable():
        raise wrong(
            "this is not the id of a channel", "Write the id that the app's code uses, such as promo."
        )
    return text


_Text = Annotated[str, StringConstraints(min_length=1)]
_COLORS: Final = range(-(2**31), 2**32)  # signed or not, as platforms differ


def _color(value: int) -> int:
    if value not in _COLORS:
        raise wrong("this is not a color", "Write a whole number of 32 bits, such as 16711680.")
    return value


def _only_true(value: bool) -> bool:  # noqa: FBT001 - a value of a spec
    if not value:
        raise wrong(
            "a channel can't stop being the default", "Write `default: true` for another channel instead."
        )
    return value


class ChannelModel(Edge):
    name: _Text | None = Field(
        default=None,
        description="The name that people see in the settings of their device. Required, unless the channel is absent.",
        examples=["Promotions"],
    )
    description: str | None = Field(
        default=None, description="The description that people see there.", examples=["Offers and discounts"]
    )
    default: Annotated[bool, AfterValidator(_only_true)] | None = Field(
        default=None,
        description="Only `true`: it makes this the channel of messages that name none. Another channel stops being it.",
        examples=[True],
    )
    importance: Annotated[int, Field(ge=0, le=5)] | None = Field(
        default=None,
        description="How much a notification interrupts, from 0 (not at all) to 5. Fixed once the channel exists. Default: 3, for a new channel.",
        examples=[4],
    )
    group_id: _Text | None = Field(
        default=None,
        description="The id of the channel's group in the app. Fixed once the channel exists.",
        examples=["shop"],
    )
    enable_lights: bool | None = Field(
        default=None, description="Whether a light blinks. Fixed once the channel exists.", examples=[True]
    )
    light_color: Annotated[int, AfterValidator(_color)] | None = Field(
        default=None,
        description="The color of that light, as a whole number. Fixed once the channel exists.",
        examples=[16711680],
    )
    enable_vibration: bool | None = Field(
        default=None,
        description="Whether the device vibrates. Fixed once the channel exists.",
        examples=[True],
    )
    vibration_pattern: list[Annotated[int, Field(ge=0)]] | None = Field(
        default=None,
        description="How long the device is still and vibrates, in turns, in milliseconds. Fixed once the channel exists.",
        examples=[[0, 250, 250, 250]],
    )
    lockscreen_visibility: Literal[-1, 0, 1] | None = Field(
        default=None,
        description="What a locked screen shows: -1 nothing, 0 no private content, 1 everything. Fixed once the channel exists.",
        examples=[0],
    )
    bypass_dnd: bool | None = Field(
        default=None,
        description="Whether notifications come through while the device is in do-not-disturb mode. Fixed once the channel exists.",
        examples=[False],
    )
    show_badge: bool | None = Field(
        default=None,
        description="Whether the app's icon shows a badge. Fixed once the channel exists.",
        examples=[True],
    )
    sound: _Text | None = Field(
        default=None,
        description="The URI of the sound. Fixed once the channel exists.",
        examples=["android.resource://com.example.shop/raw/chime"],
    )
    replace: bool = Field(
        default=False,
        description="If a fixed field differs, delete the channel and create it again. People's own settings for the channel may be lost.",
        examples=[True],
    )
    state: Literal["present", "absent"] = Field(
        default="present", description="`absent` deletes the channel, if it exists.", examples=["absent"]
    )


class NotificationChannelsSpec(Edge):
    channels: dict[Annotated[str, AfterValidator(channel_id)], ChannelModel] = Field(
        description="The channels, by their ids. Fields that a channel doesn't name stay as they are, and so do other channels.",
        examples=[
            {"promo": {"name": "Promotions", "importance": 4, "default": True}, "old": {"state": "absent"}}
        ],
    )


class NotificationChannelsDocument(Document):
    kind: Literal["NotificationChannels"] = Field(
        description="The kind of document.", examples=["NotificationChannels"]
    )
    spec: NotificationChannelsSpec = Field(
        description="The channels, and their fields.",
        examples=[{"channels": {"promo": {"name": "Promotions"}}}],
    )


def build(document: NotificationChannelsDocument, site: Site) -> Resource:
    channels = document.spec.channels
    if not channels and site.whole:
        site.report(
            ("spec", "channels"),
            "there are no channels",
            "An empty list changes nothing. To delete channels, name each one, with `state: absent`.",
        )
    wants = [
        want
        for channel, model in channels.items()
        for want in _wants(channel, model, ("spec", "channels", channel), site)
    ]
    return resource_at(
        site, KIND, id_column=NeededColumn("", site.place(("spec",))), parts=(), wants=tuple(wants)
    )


def _wants(channel: str, model: ChannelModel, path: Path, site: Site) -> Iterator[Want]:
    place = site.place(path)
    value = model.model_dump(by_alias=True, exclude_none=True, exclude={"replace", "state"})
    desire: SetThing | RemoveThing
    if model.state == "absent":
        if value or model.replace:
            site.report(path, "an absent channel has no fields", "Remove them, or the state.")
            return
        desire = RemoveThing(channel, place)
    elif model.name is None:
        site.report(path, "`name` is missing", "Write one, or `state: absent` to delete the channel.")
        return
    else:
        desire = SetThing(channel, value, place, model.replace)
    subject = Subject(SubjectKind.CHANNEL, channel)
    yield Want(site.address, subject, create=False, found_at=place, desires=(desire,))


KIND: Final[Kind[NotificationChannelsDocument]] = Kind(
    name="NotificationChannels",
    summary="Creates, updates, or deletes notification channels of Android. Others stay as they are.",
    document=NotificationChannelsDocument,
    rows_key="",
    rows=lambda _: None,
    subjects=SubjectKind.CHANNEL,
    build=build,
    entries=("channels",),
    stand_ins={},
    reads=("getAndroidNotificationChannels",),
    writes=("addAndroidNotificationChannel", "deleteAndroidNotificationChannel"),
    key=KeyClass.DEVELOPMENT,
    delivery=(DeliveryClass.REPEATABLE, DeliveryClass.CHECKABLE),
    hazards=("replaced", "removed"),
    tables={"NotificationChannels": NotificationChannelsSpec, "channels": ChannelModel},
)
