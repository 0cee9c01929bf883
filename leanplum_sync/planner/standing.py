"""Compares changes with a profile read later: each is reached, untouched, or overtaken by another change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.planner import things
from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.planner.events import is_counted, is_in_time, records
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.batch import PlannedAction
from leanplum_sync.wire.erasing import is_erasing
from leanplum_sync.wire.profile import Profile
from leanplum_sync.wire.subscription import SUBSCRIBED, subscription_states
from leanplum_sync.wire.thing import written_by
from leanplum_sync.wire.values import ABSENT, canonical, same


class Standing(Enum):
    REACHED = auto()  # as desired
    UNTOUCHED = auto()  # as the plan observed it
    OVERTAKEN = auto()  # neither
    UNPROVABLE = auto()  # the API doesn't show it

    @property
    def is_different(self) -> bool:
        """Whether the API shows something else than what is desired."""
        match self:
            case Standing.UNTOUCHED | Standing.OVERTAKEN:
                return True
            case Standing.REACHED | Standing.UNPROVABLE:
                return False


def standings(changes: Sequence[Change], profile: Profile) -> tuple[tuple[Change, Standing], ...]:
    """Compare each of one subject's *changes* with *profile*. Increments of one attribute are judged by their sum."""
    # Counted and added up once: a user may have thousands of events.
    occurrences: dict[str, int] = defaultdict(int)
    sums: dict[str, Json] = defaultdict(int)
    for change in changes:
        effect = effect_of(change.kind)
        occurrences[change.field] += effect is Effect.OCCURRENCE
        sums[change.field] += change.after if effect is Effect.SUM else 0
    return tuple((change, _standing(change, occurrences, sums, profile)) for change in changes)


def carries(planned: PlannedAction, change: Change) -> bool:  # noqa: C901 - a case for each effect
    """Return whether the action makes *change*, which is one of its subject."""
    arguments = planned.action.arguments
    is_of_user = planned.action.name == "setUserAttributes"
    match effect_of(change.kind):
        case Effect.EXISTENCE:
            return arguments.get("createDisposition") == "CreateIfNeeded"
        case Effect.ABSENCE:
            return is_erasing(planned.action)
        case Effect.ATTRIBUTE:
            return is_of_user and change.field in (arguments.get("userAttributes") or {})
        case Effect.ITEMS_ADDED:
            return is_of_user and _holds(arguments.get("userAttributeValuesToAdd"), change)
        case Effect.ITEMS_REMOVED:
            return is_of_user and _holds(arguments.get("userAttributeValuesToRemove"), change)
        case Effect.SUM:
            is_named = change.field in (arguments.get("userAttributeValuesToIncrement") or {})
            return is_of_user and is_named and _delivers(planned, change)
        case Effect.PROFILE_FIELD:
            return is_of_user and change.field in arguments
        case Effect.DEVICE_FIELD:
            is_device = planned.action.name == "setDeviceAttributes"
            return is_device and change.device_id == arguments.get("deviceId") and change.field in arguments
        case Effect.SUBSCRIPTION:
            return is_of_user and subscription_states(arguments).get(change.field) == change.after
        case Effect.MESSAGE:
            return planned.action.name == "sendMessage" and _delivers(planned, change)
        case Effect.OCCURRENCE:
            return records(planned, change)
        case Effect.THING:
            # One action, but for a thing that is replaced.
            is_deleting = written_by(planned.action.name, arguments) == (planned.subject, None)
            return planned.subject == change.subject and is_deleting is (change.kind in things.DELETING)


def _delivers(planned: PlannedAction, change: Change) -> bool:
    return any(key.resource == change.resource for key in planned.deliveries)


def _standing(  # noqa: C901 - a case for each effect
    change: Change, occurrences: Mapping[str, int], sums: Mapping[str, Json], profile: Profile
) -> Standing:
    match effect_of(change.kind):
        case Effect.EXISTENCE:
            return Standing.REACHED if profile.exists else Standing.UNTOUCHED
        case Effect.ABSENCE:
            return Standing.UNTOUCHED if profile.exists else Standing.REACHED
        case Effect.MESSAGE:
            return Standing.UNPROVABLE
        case Effect.OCCURRENCE:
            return _of_event(change, occurrences[change.field], profile)
        case Effect.PROFILE_FIELD:
            return _of_value(change, profile.fields.get(change.field))
        case Effect.SUBSCRIPTION:
            return _of_value(change, profile.subscriptions.get(change.field, SUBSCRIBED))
        case Effect.DEVICE_FIELD:
            return _of_device(change, profile)
        case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED:
            return _of_list(change, profile.attributes.get(change.field))
        case Effect.SUM:
            return _of_sum(change, sums[change.field], profile.attributes.get(change.field))
        case Effect.ATTRIBUTE:
            return _of_value(change, profile.attributes.get(change.field))
        case Effect.THING:
            return _of_thing(change, profile)


def _of_event(change: Change, planned: int, profile: Profile) -> Standing:
    if not is_counted(change, planned, profile):
        return Standing.UNTOUCHED
    return Standing.REACHED if is_in_time(change, profile) else Standing.OVERTAKEN


def _of_thing(change: Change, profile: Profile) -> Standing:
    if profile.things.keys() - {change.field}:  # something else is where it should be
        return Standing.OVERTAKEN
    observed = profile.things.get(change.field)
    if things.is_reached(change, observed):
        return Standing.REACHED
    return Standing.UNTOUCHED if things.is_untouched(change, observed) else Standing.OVERTAKEN


def _of_value(change: Change, observed: Json) -> Standing:
    if same(observed, change.after):
        return Standing.REACHED
    return Standing.UNTOUCHED if same(observed, change.before) else Standing.OVERTAKEN


def _of_list(change: Change, observed: Json) -> Standing:
    """Only the values of the change count; the rest of the list is ignored."""
    if not isinstance(observed, list) and canonical(observed) != ABSENT:
        return Standing.OVERTAKEN
    there = set(map(canonical, observed or ()))
    asked = set(map(canonical, change.after))
    reached = asked <= there if effect_of(change.kind) is Effect.ITEMS_ADDED else asked.isdisjoint(there)
    return Standing.REACHED if reached else Standing.UNTOUCHED


def _of_sum(change: Change, amount: Json, observed: Json) -> Standing:
    if same(observed, (change.before or 0) + amount):
        return Standing.REACHED
    return Standing.UNTOUCHED if same(observed, change.before) else Standing.OVERTAKEN


def _of_device(change: Change, profile: Profile) -> Standing:
    """Source: recorded traffic: a device may come back by its id alone, so that a missing field proves nothing."""
    device = profile.devices.get(change.device_id)
    observed = None if device is None else device.get(change.field)
    if observed is not None:
        return _of_value(change, observed)
    if is_listed(change.device_id, change.subject, profile) or change.before is not None:
        return Standing.UNPROVABLE
    return Standing.UNTOUCHED


def is_listed(device_id: str, subject: Subject, profile: Profile) -> bool:
    """Return whether *profile*, that of *subject*, has the device. A device without a user is the profile itself."""
    match subject.kind:
        case SubjectKind.USER:
            return device_id in profile.devices
        case SubjectKind.DEVICE:
            return profile.exists or device_id in profile.devices
        case SubjectKind.VARIABLE | SubjectKind.CHANNEL | SubjectKind.POSTBACK:
            return False


def _holds(lists: Json, change: Change) -> bool:
    items = (lists or {}).get(change.field) or ()
    return set(map(canonical, change.after)) <= set(map(canonical, items))
