"""``newUserId``: login, registration, or a switch of users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from leanplum_sync.emulator import sessions, values
from leanplum_sync.emulator.errors import RefusedError, invalid
from leanplum_sync.emulator.user import User
from leanplum_sync.emulator.work import MAX_ID_LENGTH, Work, is_anonymous


def check_identity(work: Work, new_user_id: str) -> None:
    """Refuse an id that is too long, or that belongs to a blocked user."""
    if len(new_user_id) > MAX_ID_LENGTH:
        raise invalid("newUserId")
    existing = work.transaction.user(new_user_id)
    if existing is not None and existing.blocked:
        raise RefusedError("Unavailable For Legal Reasons", 451, is_lent=True)


def goes_to_new_user(work: Work) -> bool:
    """Return whether a call with ``newUserId`` changes the new user. Always if an anonymous user takes the id."""
    return is_anonymous(work) or work.switches.beside_new_user_id == "new"


def become(work: Work, new_user_id: str) -> User:
    """
    Return the user with the new id.

    An anonymous user is merged into the user that has the id (login), or gets the id (registration). A known user is kept, and
    the other user starts a session (switch): nothing is merged.
    """
    user, transaction = work.user, work.transaction
    if new_user_id == user.user_id:
        return user
    existing = transaction.user(new_user_id)
    if not is_anonymous(work):
        return _switched(work, existing or User(user_id=new_user_id, created=work.now))
    old_user_id = user.user_id
    transaction.hand_over(old_user_id, new_user_id)
    transaction.remove(old_user_id)
    if existing is not None:
        merge(existing, user)
        return existing
    user.user_id = new_user_id
    user.anonymous = False
    return user


def _switched(work: Work, other: User) -> User:
    """End the user's open sessions and start them for the other user."""
    user = work.user
    for each in (user, other):
        sessions.expire(each, work.now, work.transaction)
    for device_id in list(user.sessions):
        sessions.end(user, device_id, work.now, work.transaction)
        if device_id in other.sessions:
            sessions.end(other, device_id, work.now, work.transaction)
        sessions.begin(other, device_id or None, work.now, background=False)
    work.transaction.put(user)
    return other


def merge(target: User, source: User) -> None:
    """Merge an anonymous user into a known one: the known user's values win, lists are united, counts are added."""
    for name, value in source.attributes.items():
        known = target.attributes.setdefault(name, value)
        if isinstance(known, list) and isinstance(value, list):
            target.attributes[name] = values.distinct([*known, *value])
    for known_entries, entries in ((target.events, source.events), (target.states, source.states)):
        for name, entry in entries.items():
            known_entries[name] = _merged(known_entries[name], entry) if name in known_entries else entry
    for device in source.devices:
        if device["deviceId"] is None or not target.has_device(device["deviceId"]):
            target.devices.append(device)
    target.channels = values.distinct([*target.channels, *source.channels])
    target.categories = values.distinct([*target.categories, *source.categories])
    target.location = source.location | target.location
    target.traffic = source.traffic | target.traffic
    target.sessions = source.sessions | target.sessions
    target.created = min(target.created, source.created)
    target.total_sessions = values.whole(target.total_sessions + source.total_sessions)
    target.time_spent = values.total(target.time_spent, source.time_spent)
    times = [time for time in (target.last_active, source.last_active) if time is not None]
    target.last_active = max(times, default=None)


_MERGING: Mapping[str, Callable[[list[Any]], Any]] = {
    "count": lambda counts: values.whole(sum(counts)),
    "value": lambda found: reduce(values.total, found),
    "firstTime": min,
    "lastTime": max,
}


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = one | other
    for key, pick in _MERGING.items():
        found = [entry[key] for entry in (one, other) if key in entry]
        if found:
            merged[key] = pick(found)
    return merged
