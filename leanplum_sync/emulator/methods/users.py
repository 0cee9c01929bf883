"""User profiles: setting, merging, deleting, exporting."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from leanplum_sync.emulator import values
from leanplum_sync.emulator.arguments import number
from leanplum_sync.emulator.errors import RefusedError
from leanplum_sync.emulator.identity import become, check_identity, goes_to_new_user
from leanplum_sync.emulator.methods.devices import set_fields
from leanplum_sync.emulator.profile import check_names, happened, location_of, set_attributes
from leanplum_sync.emulator.user import DEVICE_FIELDS, LOCATION_FIELDS, User, exported
from leanplum_sync.emulator.work import Element, Work

# Arguments that set a field of the profile itself.
_OWN: dict[str, tuple[str, Callable[[float], float]]] = {
    "created": ("created", float),
    "lastActive": ("last_active", float),
    "totalSessions": ("total_sessions", values.whole),
    "timeSpentInApp": ("time_spent", float),
}
_PROFILE = (*_OWN, *LOCATION_FIELDS)
_SUBSCRIPTIONS = tuple(
    f"unsubscribe{group}To{change}" for group in ("Channels", "Categories") for change in ("Add", "Remove")
)
# The arguments of setUserAttributes besides userAttributes; most calls have none of them.
_MORE = frozenset(
    {
        "resetAnomalies",
        "userAttributeValuesToAdd",
        "userAttributeValuesToRemove",
        "userAttributeValuesToIncrement",
        "events",
        "states",
        "devices",
        "newUserId",
        *_PROFILE,
        *_SUBSCRIPTIONS,
    }
)


def set_user_attributes(work: Work) -> Element:
    """
    Change what is given, and nothing else.

    All arguments are read before anything is changed, so a refused action leaves the user as it was. If one call both
    sets and changes a key, the order is set, remove, add, increment. A new user id takes effect first, so that what the
    call sets belongs to the new user (see the switch ``beside_new_user_id``).
    """
    arguments = work.arguments
    if not arguments.has_any(_MORE):
        attributes = arguments.mapping("userAttributes")
        check_names(work, "attribute", attributes)
        set_attributes(work.user, attributes, work.switches)
        return {}
    if arguments.flag("resetAnomalies") and work.key_class != "development":
        raise RefusedError("Invalid access key", 403)
    given = arguments.mapping("userAttributes")
    added = arguments.mapping("userAttributeValuesToAdd")
    removed = arguments.mapping("userAttributeValuesToRemove")
    incremented = arguments.mapping("userAttributeValuesToIncrement")
    check_names(work, "attribute", [*given, *added, *incremented])
    events = _occurrences(work, "event", "events")
    states = _occurrences(work, "state", "states")
    profile = _profile(work)
    devices = [device for device in arguments.sequence("devices") if isinstance(device, dict)]
    new_user_id = arguments.text("newUserId")
    if new_user_id is not None:
        check_identity(work, new_user_id)

    changes_new_user = new_user_id is not None and goes_to_new_user(work)
    if new_user_id is not None and changes_new_user:
        work.found = become(work, new_user_id)
    user = work.user
    set_attributes(user, given, work.switches)
    _remove(work, user, removed)
    for name, value in added.items():
        user.attributes[name] = values.with_added(user.attributes.get(name), value, work.switches)
    skipped = _increment(work, user, incremented)
    _merge_occurrences(user.events, events)
    _count_totals(work, user, events)
    _merge_occurrences(user.states, states)
    for change in profile:
        change(user)
    _merge_devices(work, user, devices)
    _subscribe(work, user)
    if new_user_id is not None and not changes_new_user:
        work.found = become(work, new_user_id)
    if skipped and work.switches.skipped_increment == "warn":
        return {"warning": {"message": f"Increment skipped: {', '.join(skipped)} must be an integer."}}
    return {}


def _remove(work: Work, user: User, removed: dict[str, Any]) -> None:
    for name, value in removed.items():
        existing = user.attributes.get(name)
        if isinstance(existing, list):
            user.attributes[name] = values.with_removed(existing, value, work.switches)


def _increment(work: Work, user: User, incremented: dict[str, Any]) -> list[str]:
    """Increment integers; return the attributes that were skipped because they or the increment are not integers."""
    skipped = []
    for name, by in incremented.items():
        existing = values.as_integer(user.attributes.get(name, 0), work.switches)
        if isinstance(by, str) and work.switches.text_increments == "count":
            by = _integer_in(by)  # noqa: PLW2901 (the same increment, read)
        by = values.as_integer(by, work.switches)  # noqa: PLW2901 (as above)
        if existing is not None and by is not None and values.LOWEST <= existing + by <= values.HIGHEST:
            user.attributes[name] = values.stored(existing + by, work.switches)
            work.transaction.count_increment(user.user_id, name)
        else:
            skipped.append(name)
    return skipped


def _integer_in(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _occurrences(work: Work, kind: str, argument: str) -> dict[str, dict[str, float]]:
    """Return the summaries given for events or states, with every number read."""
    summaries = work.arguments.mapping(argument)
    if not summaries:
        return {}
    check_names(work, kind, summaries)
    read: dict[str, dict[str, float]] = {}
    for name, summary in summaries.items():
        if not isinstance(summary, dict):
            raise RefusedError(f"{kind} '{name}' is invalid.")
        read[name] = {}
        for key, value in summary.items():
            try:
                if value is not None:
                    read[name][key] = number(value, key)
            except RefusedError:
                raise RefusedError(f"{kind} '{name}' {key} is invalid.") from None
    return read


def _merge_occurrences(known: dict[str, dict[str, Any]], given: dict[str, dict[str, float]]) -> None:
    """Merge by the API's rules: counts and values are set, firstTime only gets earlier, lastTime only later."""
    for name, summary in given.items():
        entry = known.setdefault(name, {"count": 0})
        if "count" in summary:
            entry["count"] = values.whole(summary["count"])
        entry["count"] = values.whole(entry["count"] + values.whole(summary.get("countIncrement", 0)))
        if "value" in summary:
            entry["value"] = float(summary["value"])
        if "valueIncrement" in summary:
            entry["value"] = values.total(entry.get("value", 0.0), summary["valueIncrement"])
        for key, pick in (("firstTime", min), ("lastTime", max)):
            if key in summary:
                entry[key] = float(pick(summary[key], entry.get(key, summary[key])))


def _count_totals(work: Work, user: User, events: dict[str, dict[str, float]]) -> None:
    for name, summary in events.items():
        if "countIncrement" in summary or "valueIncrement" in summary:
            work.transaction.count_occurrence(user.user_id, name, "totals", summary)


def _profile(work: Work) -> list[Callable[[User], None]]:
    """Return the changes to the profile's own fields, with every argument read."""
    arguments = work.arguments
    if not arguments.has_any(_PROFILE):
        return []
    changes: list[Callable[[User], None]] = []
    for argument, (name, kind) in _OWN.items():
        given = arguments.number(argument)
        if given is not None:
            value = kind(given)
            changes.append(lambda user, name=name, value=value: setattr(user, name, value))  # type: ignore[misc]  # defaults bind the loop's values
    if location := location_of(work):
        changes.append(lambda user: user.location.update(location))
    return changes


def _merge_devices(work: Work, user: User, devices: list[dict[str, Any]]) -> None:
    """Merge devices by id. Each device without an id becomes one more entry without an id, as in the API."""
    for given in devices:
        device_id = given.get("deviceId")
        if device_id is None:
            user.devices.append({"deviceId": None, "fields": {}, "listed": {}})
            continue
        fields = {name: str(given[name]) for name in DEVICE_FIELDS if given.get(name) is not None}
        set_fields(user.device(str(device_id))["listed"], fields)
        work.transaction.assign(str(device_id), user.user_id)


def _subscribe(work: Work, user: User) -> None:
    arguments = work.arguments
    if not arguments.has_any(_SUBSCRIPTIONS):
        return
    for known, group in ((user.channels, "unsubscribeChannels"), (user.categories, "unsubscribeCategories")):
        for item in map(str, arguments.sequence(f"{group}ToAdd")):
            if item not in known:
                known.append(item)
                if work.switches.unsubscribe_event == "recorded":
                    happened(user.events, "Unsubscribe", work.time)
        for item in map(str, arguments.sequence(f"{group}ToRemove")):
            if item in known:
                known.remove(item)


def delete_user(work: Work) -> Element:
    """Delete the profile; with fullErasure the record of its sessions too."""
    if work.arguments.plain("userId") is None and not work.user.anonymous:
        raise RefusedError("Invalid app/user combination", 404, is_lent=True)
    work.transaction.remove(work.user.user_id)
    if work.arguments.flag("fullErasure"):
        work.transaction.erase_sessions(work.user.user_id)
    work.found = None
    return {}


def block(work: Work) -> Element:
    """Erase everything except the identity, and accept nothing more for it."""
    work.transaction.erase_sessions(work.user.user_id)
    work.found = User(work.user.user_id, work.user.created, anonymous=work.user.anonymous, blocked=True)
    return {}


def unblock(work: Work) -> Element:
    work.user.blocked = False
    return {}


def export_user(work: Work) -> Element:
    categories = work.transaction.things("unsubscribeCategory") if work.user.categories else {}
    return exported(
        work.user, {key: str(thing.get("name", "")) for key, thing in categories.items()}, work.switches
    )
