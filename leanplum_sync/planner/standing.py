"""Where a change stands, seen from a profile read later: carried out, not carried out, or overtaken by somebody else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final

from leanplum_sync.address import SubjectKind
from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.profile import Profile
from leanplum_sync.wire.values import ABSENT, canonical, same


class Standing(Enum):
    REACHED = auto()  # as desired
    UNTOUCHED = auto()  # as the plan observed it
    OVERTAKEN = auto()  # neither
    UNPROVABLE = auto()  # the API doesn't show it


_ATTRIBUTE_KINDS: Final = frozenset(
    {
        ChangeKind.SET,
        ChangeKind.REMOVE,
        ChangeKind.RENAME,
        ChangeKind.RENAMED_AWAY,
        ChangeKind.CONVERT,
    }
)


def standings(changes: Sequence[Change], profile: Profile) -> tuple[tuple[Change, Standing], ...]:
    """Return where each of one subject's *changes* stands. Increments of one attribute are judged by their sum."""
    return tuple((change, _standing(change, changes, profile)) for change in changes)


def carries(planned: PlannedAction, change: Change) -> bool:
    """Return whether the action carries out *change*, which is one of its subject's."""
    arguments = planned.action.arguments
    match planned.action.name, change.kind:
        case "sendMessage", ChangeKind.SEND:
            return any(key.resource == change.resource for key in planned.deliveries)
        case "setUserAttributes" | "setDeviceAttributes", ChangeKind.CREATE:
            return arguments.get("createDisposition") == "CreateIfNeeded"
        case "setDeviceAttributes", ChangeKind.DEVICE | ChangeKind.TOKEN:
            return change.device_id == arguments.get("deviceId") and change.field in arguments
        case "setUserAttributes", ChangeKind.PROFILE:
            return change.field in arguments
        case "setUserAttributes", ChangeKind.ADD:
            return _holds(arguments.get("userAttributeValuesToAdd"), change)
        case "setUserAttributes", ChangeKind.TAKE_OUT:
            return _holds(arguments.get("userAttributeValuesToRemove"), change)
        case "setUserAttributes", ChangeKind.INCREMENT:
            is_named = change.field in (arguments.get("userAttributeValuesToIncrement") or {})
            return is_named and any(key.resource == change.resource for key in planned.deliveries)
        case "setUserAttributes", kind if kind in _ATTRIBUTE_KINDS:
            return change.field in (arguments.get("userAttributes") or {})
        case _:
            return False


def _standing(change: Change, changes: Iterable[Change], profile: Profile) -> Standing:
    match change.kind:
        case ChangeKind.CREATE:
            return Standing.REACHED if profile.exists else Standing.UNTOUCHED
        case ChangeKind.SEND:
            return Standing.UNPROVABLE
        case ChangeKind.PROFILE:
            return _of_value(change, profile.fields.get(change.field))
        case ChangeKind.DEVICE | ChangeKind.TOKEN:
            return _of_device(change, profile)
        case ChangeKind.ADD | ChangeKind.TAKE_OUT:
            return _of_list(change, profile.attributes.get(change.field))
        case ChangeKind.INCREMENT:
            amount = sum(
                other.after
                for other in changes
                if other.kind is ChangeKind.INCREMENT and other.field == change.field
            )
            return _of_sum(change, amount, profile.attributes.get(change.field))
        case (
            ChangeKind.SET
            | ChangeKind.REMOVE
            | ChangeKind.RENAME
            | ChangeKind.RENAMED_AWAY
            | ChangeKind.CONVERT
        ):
            return _of_value(change, profile.attributes.get(change.field))


def _of_value(change: Change, observed: Json) -> Standing:
    if same(observed, change.after):
        return Standing.REACHED
    return Standing.UNTOUCHED if same(observed, change.before) else Standing.OVERTAKEN


def _of_list(change: Change, observed: Json) -> Standing:
    """Membership alone counts: what else the list gained or lost is somebody else's business."""
    if not isinstance(observed, list) and canonical(observed) != ABSENT:
        return Standing.OVERTAKEN
    there = set(map(canonical, observed or ()))
    asked = set(map(canonical, change.after))
    reached = asked <= there if change.kind is ChangeKind.ADD else asked.isdisjoint(there)
    return Standing.REACHED if reached else Standing.UNTOUCHED


def _of_sum(change: Change, amount: Json, observed: Json) -> Standing:
    if same(observed, (change.before or 0) + amount):
        return Standing.REACHED
    return Standing.UNTOUCHED if same(observed, change.before) else Standing.OVERTAKEN


def _of_device(change: Change, profile: Profile) -> Standing:
    """
    Source: recorded traffic: a device may come back by its id alone, so a field that is absent proves nothing. A device
    that is absent does, for a user; a device without a user is the profile itself.
    """
    device = profile.devices.get(change.device_id)
    observed = None if device is None else device.get(change.field)
    if observed is not None:
        return _of_value(change, observed)
    is_listed = device is not None or (profile.exists and change.subject.kind is SubjectKind.DEVICE)
    if is_listed or change.before is not None:
        return Standing.UNPROVABLE
    return Standing.UNTOUCHED


def _holds(lists: Json, change: Change) -> bool:
    items = (lists or {}).get(change.field) or ()
    return set(map(canonical, change.after)) <= set(map(canonical, items))
