"""Changes of things of the app: how far a later read shows that one was made, what it writes, and the action that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.exact import same_exactly
from leanplum_sync.wire.thing import rules_of
from leanplum_sync.wire.variable import delete_vars, set_vars

DELETING = frozenset({ChangeKind.THING_REMOVED, ChangeKind.THING_REPLACED_AWAY, ChangeKind.VARIABLE_GONE})


def action_of(change: Change, observed: Json) -> Action:
    """Return the action that makes *change* to a thing that was *observed*, None for none."""
    rules = rules_of(change.subject.kind)
    if rules is None:
        return (
            delete_vars(change.field)
            if change.kind is ChangeKind.VARIABLE_GONE
            else set_vars(change.field, change.after)
        )
    if change.kind in DELETING:
        return rules.delete(change.field, observed)
    return rules.put(
        change.field, change.after, observed if change.kind is ChangeKind.THING_UPDATED else None
    )


def is_reached(change: Change, observed: Json) -> bool:
    """Whether *observed*, None for none, is as *change* wants it."""
    rules = rules_of(change.subject.kind)
    if rules is None:
        return same_exactly(observed, change.after)
    if observed is None:
        return change.kind in DELETING
    return change.after is not None and not rules.differing(change.after, observed)


def is_untouched(change: Change, observed: Json) -> bool:
    """Whether *observed*, None for none, is as the plan of *change* observed it, or as its own first step left it."""
    rules = rules_of(change.subject.kind)
    if rules is None or change.before is None or observed is None:
        return same_exactly(observed, change.before) or (
            observed is None and change.kind is ChangeKind.THING_REPLACED
        )
    if change.kind is ChangeKind.THING_UPDATED:
        return same_exactly(part_of(observed, change.after), change.before)
    return rules.is_same(observed, change.before)


def planned_value(change: Change, observed: Json) -> Json:
    """Return what *observed* becomes by *change*."""
    if change.kind in DELETING:
        return None
    return {**observed, **change.after} if change.kind is ChangeKind.THING_UPDATED else change.after


def became_default(change: Change) -> bool:
    """Whether the change made a channel that existed before the default one, which can't be taken back."""
    return (
        change.kind is ChangeKind.THING_UPDATED
        and change.after.get("default") is True
        and change.before.get("default") is not True
    )


def restored(change: Change) -> Json:
    """Return the value to set, so that a thing is as before *change*. Fields that it had not are emptied, or None if fixed."""
    rules = rules_of(change.subject.kind)
    if rules is None:
        return change.before
    empty = {name: "" if name in rules.updatable else None for name in change.after or {}}
    fields = {**empty, **change.before}
    return {
        name: value
        for name, value in fields.items()
        if name in rules.compared and (name, value) != ("default", False)
    }


def part_of(observed: Mapping[str, Json], value: Mapping[str, Json]) -> dict[str, Json]:
    """Return the fields of *observed* that *value* names."""
    return {name: observed[name] for name in value if name in observed}


def fields_written(change: Change) -> Mapping[str, tuple[Json, Json]]:
    """
    Return what *change* writes, by field, before and after. The field of a whole thing has its name; those in it follow after a slash.
    Of a thing with fields, the whole is true while it exists.
    """
    rules = rules_of(change.subject.kind)
    if rules is None:
        return {change.field: (change.before, change.after)}
    if change.before is not None and change.after is not None:
        return {
            f"{change.field}/{name}": (change.before.get(name), change.after[name])
            for name in sorted(rules.differing(change.after, change.before))
        }
    return {change.field: (_existence(change.before), _existence(change.after))}


def fields_left(name: str, value: Json, *, is_variable: bool) -> Mapping[str, Json]:
    """Return what an action left that set the thing *name* to *value*, or deleted it, by the same fields."""
    if is_variable or value is None:
        return {name: value}
    fields: dict[str, Any] = {f"{name}/{field}": item for field, item in value.items()}
    return {name: True, **fields}


def _existence(value: Json) -> Json:
    return None if value is None else True
