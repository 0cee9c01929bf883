"""The changes that a row asks for: one small value for each change that may be planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from leanplum_sync.address import ResourceAddress, Subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.consent import consent_delivery
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.event import event_delivery


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """Give attribute *name* this *value*; with *only_if_absent*, only if the user has none."""

    name: str
    value: Json
    asked_at: Place
    only_if_absent: bool = False


@dataclass(frozen=True, slots=True)
class TakeAttribute:
    """
    Give attribute *name* the observed value of attribute *source*, converted to *type* if one is given.

    With a different *source* this is a rename, and the old name is removed. With the same one it is a conversion in place.
    """

    name: str
    source: str
    type: ValueType | None
    asked_at: Place


@dataclass(frozen=True, slots=True)
class RemoveAttribute:
    name: str
    asked_at: Place


@dataclass(frozen=True, slots=True)
class AlterList:
    """Add values to the set in attribute *name*, and remove others from it."""

    name: str
    add: tuple[Json, ...]
    remove: tuple[Json, ...]
    asked_at: Place


@dataclass(frozen=True, slots=True)
class IncrementAttribute:
    """Add *amount*, a whole number, at most once per subject under the name *once*."""

    name: str
    amount: int
    once: str
    asked_at: Place

    @property
    def delivery(self) -> str:
        """Its name in the journal: increments of two attributes may share a ``once``."""
        return f"{self.once}/{self.name}"


@dataclass(frozen=True, slots=True)
class SetProfileField:
    """Give a top-level profile field (``country``, ``created`` in epoch seconds, ...) this value."""

    name: str
    value: Json
    asked_at: Place
    only_if_absent: bool = False


@dataclass(frozen=True, slots=True)
class SetDeviceField:
    """Give field *name* (``iosPushToken``, ``deviceModel``, ...) of a device this value."""

    device_id: str
    name: str
    value: str
    asked_at: Place


class Once:
    """
    What happens at most once for each subject, whatever its profile shows. The journal decides, by *delivery*; reading users doesn't.

    Code about values of profiles matches this class, so that a new desire of this type doesn't have to be added there.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SetSubscription:
    """
    Give a channel or category this *state*. *consented_at* is when the user consented to be re-subscribed, in epoch seconds; None
    for unsubscribing.
    """

    name: str
    state: str
    consented_at: float | None
    asked_at: Place

    @property
    def delivery(self) -> str:
        """The name of this use of the consent in the journal: a consent re-subscribes a user only once."""
        return consent_delivery(self.name, self.consented_at)


@dataclass(frozen=True, slots=True)
class Send(Once):
    """Send the resource's message, once under the name *delivery*. *force* ignores the message's own targeting."""

    delivery: str
    values: Mapping[str, Json]
    force: bool
    asked_at: Place

    @property
    def name(self) -> str:
        return self.delivery


@dataclass(frozen=True, slots=True)
class TrackEvent(Once):
    """
    Record that event *name* happened at *time*, in epoch seconds; once under *imported_as*, the import's name, and *key*.

    *as_total*: only add it to the user's totals for the event, which has no *parameters* and triggers no campaigns.
    """

    name: str
    imported_as: str
    key: str
    time: float
    value: float | None
    currency: str | None
    parameters: Mapping[str, Json]
    as_total: bool
    asked_at: Place

    @property
    def delivery(self) -> str:
        """Its name in the journal."""
        return event_delivery(self.imported_as, self.key)


@dataclass(frozen=True, slots=True)
class Erase:
    """
    Delete the user; with *full*, sessions and analytics too; with *block*, erase all of it and accept nothing more for the id.

    *request* identifies the user's request, empty if nobody said.
    """

    full: bool
    block: bool
    request: str
    asked_at: Place

    @property
    def name(self) -> str:
        """Empty: it is about the user as a whole."""
        return ""


class OfTheApp:
    """
    What is about a thing of the app, and so never in a row of a user or device.

    Code about rows matches this class, so that a new desire of this type doesn't have to be added there.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SetThing(OfTheApp):
    """
    Give a thing of the app this value: a variable its default value, which is no group, and others the fields to set.

    With *replace*, it may be deleted and created again, to change what can't be changed otherwise.
    """

    name: str
    value: Json
    asked_at: Place
    replace: bool = False


@dataclass(frozen=True, slots=True)
class RemoveThing(OfTheApp):
    """*replaced*: another thing takes its place."""

    name: str
    asked_at: Place
    replaced: bool = False


Desire: TypeAlias = (
    SetAttribute
    | TakeAttribute
    | RemoveAttribute
    | AlterList
    | IncrementAttribute
    | SetProfileField
    | SetDeviceField
    | SetSubscription
    | Send
    | TrackEvent
    | Erase
    | SetThing
    | RemoveThing
)


@dataclass(frozen=True, slots=True)
class Want:
    """
    Everything that one row of one resource asks for its subject.

    *found_at* is the row itself, in its data file or inline list. *create* allows the user to be created.
    """

    resource: ResourceAddress
    subject: Subject
    create: bool
    found_at: Place
    desires: tuple[Desire, ...]
