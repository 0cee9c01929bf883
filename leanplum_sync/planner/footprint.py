"""
Fingerprints of the values that a run wrote: enough to see later whether a field still has the value that we wrote.

A field is ``attribute:NAME``, ``profile:NAME``, ``subscription:NAME``, ``device:ID:NAME`` or, of a thing of the app, ``thing:NAME`` and ``thing:NAME/FIELD``, and its fingerprint is that of its value. In a
list, each value is a field of its own, ``item:NAME:FINGERPRINT``, which says whether we added or removed it; values of others are
ignored. The result of an increment is unknown: ``counted``. Sends and events leave no footprint.

With eight digits, one change in four billion goes unnoticed. Equal values have equal fingerprints in every app.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from leanplum_sync.address import SubjectKind
from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.planner.things import fields_left, fields_written
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.exact import exact_form
from leanplum_sync.wire.profile import DEVICE_FIELDS, PROFILE_FIELDS
from leanplum_sync.wire.subscription import UNSUBSCRIBED, subscription_states
from leanplum_sync.wire.thing import written_by
from leanplum_sync.wire.values import canonical

ADDED: Final = "added"
TAKEN_OUT: Final = "taken out"
COUNTED: Final = "counted"
_BYTES: Final = 4


def footprints(action: Action) -> Mapping[str, str]:
    """Return ``{field: fingerprint}`` of every field that *action* sets."""
    arguments = action.arguments
    match action.name:
        case "setUserAttributes":
            found = {_attribute(name): print_of(value) for name, value in _in(arguments, "userAttributes")}
            found |= {
                _profile(name): print_of(arguments[name]) for name in PROFILE_FIELDS if name in arguments
            }
            found |= {
                _subscription(name): print_of(state) for name, state in subscription_states(arguments).items()
            }
            for key, word in (
                ("userAttributeValuesToAdd", ADDED),
                ("userAttributeValuesToRemove", TAKEN_OUT),
            ):
                found |= {
                    _item(name, value): word for name, values in _in(arguments, key) for value in values
                }
            return found | {
                _attribute(name): COUNTED for name, _ in _in(arguments, "userAttributeValuesToIncrement")
            }
        case "setDeviceAttributes":
            device = arguments["deviceId"]
            return {
                _device(device, name): print_of(arguments[name])
                for name in DEVICE_FIELDS
                if name in arguments
            }
        case _ if thing := written_by(action.name, arguments):
            subject, value = thing
            left = fields_left(subject.id, value, is_variable=subject.kind is SubjectKind.VARIABLE)
            return {_thing(field): exact_print_of(item) for field, item in left.items()}
        case _:
            return {}


def fields_of(change: Change) -> tuple[str, ...]:
    """Return the fields that *change* writes; none if it leaves no footprint."""
    match effect_of(change.kind):
        case Effect.EXISTENCE | Effect.ABSENCE | Effect.MESSAGE | Effect.OCCURRENCE | Effect.SUM:
            return ()
        case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED:
            return tuple(_item(change.field, value) for value in change.after)
        case Effect.PROFILE_FIELD:
            return (_profile(change.field),)
        case Effect.SUBSCRIPTION:
            return (_subscription(change.field),)
        case Effect.DEVICE_FIELD:
            return (_device(change.device_id, change.field),)
        case Effect.ATTRIBUTE:
            return (_attribute(change.field),)
        case Effect.THING:
            return tuple(map(_thing, fields_written(change)))


def prints_of(change: Change) -> Mapping[str, tuple[str, str]]:
    """Return the fingerprints before and after a *change* that sets values, by field."""
    if effect_of(change.kind) is not Effect.THING:
        return {field: (print_of(change.before), print_of(change.after)) for field in fields_of(change)}
    return {
        _thing(field): (exact_print_of(before), exact_print_of(after))
        for field, (before, after) in fields_written(change).items()
    }


@dataclass(frozen=True, slots=True)
class Written:
    """That *run* wrote a field, by the plan *plan_digest*, and the fingerprint that it left."""

    run: int
    plan_digest: str
    fingerprint: str

    def __str__(self) -> str:
        return f"run {self.run} (plan {self.plan_digest[:12]})"


def written(change: Change, fields: Mapping[str, Written]) -> Written | None:
    """Return who of *fields*, by name, wrote last to what *change* writes: to the same values of a list, or to all of it."""
    names = set(fields_of(change))
    starts: tuple[str, ...] = ()
    match effect_of(change.kind):
        case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED:
            names.add(_attribute(change.field))
        case Effect.ATTRIBUTE:
            starts = (f"item:{change.field}:",)
        case (
            Effect.EXISTENCE
            | Effect.ABSENCE
            | Effect.MESSAGE
            | Effect.SUM
            | Effect.PROFILE_FIELD
            | Effect.DEVICE_FIELD
            | Effect.SUBSCRIPTION
            | Effect.OCCURRENCE
            | Effect.THING
        ):
            pass
    found = [each for name, each in fields.items() if name in names or name.startswith(starts)]
    return max(found, key=lambda each: each.run, default=None)


def left_by(fields: Mapping[str, str]) -> Iterator[str]:
    """Yield the channels and categories from which footprints show that the user was unsubscribed."""
    start, unsubscribed = _subscription(""), print_of(UNSUBSCRIBED)
    for name, fingerprint in fields.items():
        if name.startswith(start) and fingerprint == unsubscribed:
            yield name.removeprefix(start)


def follow(left: dict[str, str], later: Mapping[str, str]) -> None:
    """Update *left* with *later* footprints. Setting a whole list drops the footprints of its items, and the other way round."""
    for field in later:
        kind, _, rest = field.partition(":")
        if kind == "item":
            left.pop(_attribute(rest.rpartition(":")[0]), None)
        elif kind == "attribute":
            start = f"item:{rest}:"
            for item in [each for each in left if each.startswith(start)]:
                del left[item]
    left.update(later)


def print_of(value: Json) -> str:
    """Return a fingerprint that is equal for values that the API can't distinguish."""
    return _print(canonical(value))


def exact_print_of(value: Json) -> str:
    """Return a fingerprint that is equal for values that are the same exactly: those of things of the app."""
    return _print(exact_form(value))


@lru_cache(maxsize=1 << 14)  # most values are those of many users
def _print(value: Hashable) -> str:
    return blake2b(_text(value).encode(errors="surrogatepass"), digest_size=_BYTES).hexdigest()


def _text(value: Hashable) -> str:
    """The order of a set must not change its text."""
    match value:
        case (kind, frozenset() as items):
            return f"{kind} {sorted(map(_text, items))}"
        case _:
            return repr(value)


def _in(arguments: Mapping[str, Json], name: str) -> list[tuple[str, Json]]:
    return list((arguments.get(name) or {}).items())


def _attribute(name: str) -> str:
    return f"attribute:{name}"


def _profile(name: str) -> str:
    return f"profile:{name}"


def _subscription(name: str) -> str:
    return f"subscription:{name}"


def _device(device: str, name: str) -> str:
    return f"device:{device}:{name}"


def _thing(name: str) -> str:
    return f"thing:{name}"


def _item(name: str, value: Json) -> str:
    return f"item:{name}:{print_of(value)}"
