"""
Which attributes are worth an export: the ones for which it can show that a user needs no change.

An export can't show profile fields. It can't show either whether ``25`` is a number, whether a user lacks an attribute, or what a list
holds (see ``observed/export_rows``). So users of a spec with such a line have to be read anyway, and no job is spent on its other
attributes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, assert_never

from leanplum_sync.address import ResourceAddress, SubjectKind
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows import desires
from leanplum_sync.kinds.rows.cells import Cell
from leanplum_sync.kinds.rows.desires import Desire
from leanplum_sync.kinds.rows.erase_part import ErasePart
from leanplum_sync.kinds.rows.parts import Always, CellPart, DevicePart, ListPart, OncePart, Part
from leanplum_sync.kinds.rows.subscription_part import SubscriptionPart
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.exported_text import is_telling

_NO_DEVICES: Final = "exports show no devices"
_NO_SENDS: Final = "sends are decided for each user"
_NO_SUBSCRIPTIONS: Final = "exports show no subscriptions"
ALWAYS_READ: Final = "only reading a user shows that there is nothing left to erase"
_NO_ATTRIBUTES: Final = (
    desires.SetProfileField,
    desires.SetDeviceField,
    desires.SetSubscription,
    desires.Send,
    desires.Erase,
)
_SHOWN: Final = (None, ValueType.TEXT, ValueType.BOOLEAN, ValueType.DATE)


@dataclass(frozen=True, slots=True)
class Exportable:
    """*attributes* to export, by name. The users of the specs in *read_live* are all read, for the reason given."""

    attributes: tuple[str, ...]
    read_live: dict[ResourceAddress, str]


def exportable(resources: Iterable[Resource]) -> Exportable:
    attributes: set[str] = set()
    read_live: dict[ResourceAddress, str] = {}
    for resource in resources:
        if not resource.kind.has_rows:
            continue
        of_resource = set(filter(None, map(_attribute, resource.parts)))
        if reason := _why_live(resource, of_resource):
            read_live[resource.address] = reason
        else:
            attributes |= of_resource
    return Exportable(tuple(sorted(attributes)), read_live)


def managed(resources: Iterable[Resource]) -> tuple[str, ...]:
    """Return the attributes of users that *resources* set, change, or remove, by name."""
    return tuple(sorted({name for each in resources for part in each.parts if (name := _managed(part))}))


def _why_live(resource: Resource, attributes: set[str]) -> str:
    if resource.kind.subjects is not SubjectKind.USER:
        return _NO_DEVICES
    for part in resource.parts:
        if reason := _why_unknown(part):
            return reason
    return "" if attributes else "it sets no attributes"


def _why_unknown(part: Part) -> str:
    """Return why no export can show that *part* asks for nothing, empty if one can."""
    match part:
        case CellPart(cell=cell, wish=desires.SetAttribute(name=name, only_if_absent=only_if_absent)):
            return "" if only_if_absent or _can_be_shown(cell) else _unclear(name)
        case Always(wish=wish) | CellPart(wish=wish):
            return _why_not_shown(wish)
        case ListPart(name=name):
            return _of_list(name)
        case DevicePart():
            return _NO_DEVICES
        case SubscriptionPart():
            return _NO_SUBSCRIPTIONS
        case OncePart():
            return _NO_SENDS
        case ErasePart():
            return ALWAYS_READ
        case _:
            assert_never(part)


def _why_not_shown(wish: Desire) -> str:  # noqa: C901 - a case for each desire
    match wish:
        case desires.SetAttribute(name=name, value=value, only_if_absent=only_if_absent):
            return "" if only_if_absent or _is_shown(value) else _unclear(name)
        case desires.SetProfileField(name=name):
            return f"exports don't show profile fields such as {name}"
        case desires.RemoveAttribute(name=name):
            return f"exports don't show that a user lacks attribute {name}"
        case desires.TakeAttribute(name=name):
            return _unclear(name)
        case desires.AlterList(name=name):
            return _of_list(name)
        case desires.IncrementAttribute():
            return "increments are counted for each user"
        case desires.SetDeviceField():
            return _NO_DEVICES
        case desires.SetSubscription():
            return _NO_SUBSCRIPTIONS
        case desires.Once():
            return _NO_SENDS
        case desires.Erase():
            return ALWAYS_READ
        case desires.OfTheApp():
            return "exports show users only"
        case _:
            assert_never(wish)


def _can_be_shown(cell: Cell) -> bool:
    if cell.mapped is None:
        return cell.type in _SHOWN
    return all(value is None or _is_shown(value) for value in (*cell.mapped.values(), cell.otherwise))


def _of_list(name: str) -> str:
    return f"exports don't show the list in attribute {name} exactly"


def _unclear(name: str) -> str:
    return f"exports don't show the type of attribute {name}, such as number or text"


def _is_shown(value: Json) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and is_telling(value))


def _attribute(part: Part) -> str:
    """Return the attribute that *part* sets, empty if it sets none."""
    is_one = isinstance(part, Always | CellPart) and isinstance(part.wish, desires.SetAttribute)
    return part.wish.name if is_one else ""  # type: ignore[union-attr]  # mypy doesn't follow the name


def _managed(part: Part) -> str:
    match part:
        case ListPart(name=name):
            return name
        case Always(wish=wish) | CellPart(wish=wish):
            return "" if isinstance(wish, _NO_ATTRIBUTES) else wish.name
        case DevicePart() | SubscriptionPart() | OncePart() | ErasePart():
            return ""
        case _:
            assert_never(part)
