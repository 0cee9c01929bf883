"""
One difference on one subject, and the table of facts about kinds of change. Nothing else in the package lists them.

What follows from where a change shows up in a profile (how it is compared, fingerprinted and undone) depends on its ``Effect``
alone; each such rule matches over all effects.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final, Protocol, Self

from leanplum_sync.address import Subject
from leanplum_sync.problem import Place
from leanplum_sync.wire.action import DeliveryClass, Json


class ChangeKind(StrEnum):
    CREATE = "create"  # field and values are empty
    SET = "set"
    REMOVE = "remove"
    RENAME = "rename"  # the new name takes the old name's value ...
    RENAMED_AWAY = "renamed away"  # ... and the old name is removed
    CONVERT = "convert"
    ADD = "add to list"
    TAKE_OUT = "take out of list"
    INCREMENT = "increment"
    PROFILE = "profile"
    DEVICE = "device"
    TOKEN = "token"  # noqa: S105 - the word names a kind of change
    UNSUBSCRIBE = "unsubscribe"
    RESUBSCRIBE = "re-subscribe"
    SEND = "send"  # field: the message's name
    EVENT = "event"  # field: the event's name
    EVENT_TOTAL = "event total"  # the same, added to the user's totals
    ERASE = "erase"  # field is empty
    BLOCK = "block"  # the same, but the id stays, and nothing more is accepted for it
    VARIABLE = "variable"
    VARIABLE_GONE = "variable removed"
    # These are about any other thing of the app. One that is replaced is deleted and created again: two changes, in this order. Or another one takes
    # its place, with a change of its own.
    THING_CREATED = "thing created"
    THING_UPDATED = "thing updated"
    THING_REPLACED_AWAY = "thing replaced away"
    THING_REPLACED = "thing replaced"
    THING_REMOVED = "thing removed"


@dataclass(frozen=True, slots=True)
class Change:
    """
    *before* is the observed value, None where there was none; *after* the value asked for, None for none.

    For a list that gains or loses values, *after* is those values; for an increment, the amount; for a send, the
    message's values. For an event, *before* is how often the user had it, and *after* the event, see ``planner.events``. For an erasure, *after* has ``full`` and ``request``, and ``exists``: False of a user who doesn't exist. *asked_at* is the line of the spec, *found_at* the row of the data.

    *consented_at*, of a re-subscription alone, is when the user consented to it, in epoch seconds.
    """

    subject: Subject
    resource: str
    kind: ChangeKind
    field: str
    before: Json
    after: Json
    asked_at: Place
    found_at: Place
    device_id: str = ""  # of a device's change; empty for the rest
    consented_at: float | None = None


class Changes(Protocol):
    """The changes of a plan, read as needed."""

    def subjects(self) -> Iterator[Subject]: ...

    def changes_of(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[Change, ...]]: ...


class Effect(Enum):
    """What a change does, and so where a later read of the user shows it."""

    EXISTENCE = auto()  # the user exists
    ABSENCE = auto()  # the user doesn't exist, or is blocked
    ATTRIBUTE = auto()  # an attribute has another value, or none
    ITEMS_ADDED = auto()  # a list has these values
    ITEMS_REMOVED = auto()  # a list doesn't have these values
    SUM = auto()  # a number is larger or smaller by an amount
    PROFILE_FIELD = auto()
    DEVICE_FIELD = auto()
    SUBSCRIPTION = auto()  # a channel or category is subscribed or unsubscribed
    MESSAGE = auto()  # the user gets a message, which no read shows
    OCCURRENCE = auto()  # an event happened once more
    THING = auto()  # a thing of the app has another value, or is gone


class Family(StrEnum):
    """Kinds of change that a chart shows as one. In the order in which people want to see them."""

    words: str

    def __new__(cls, name: str, words: str) -> Self:
        member = str.__new__(cls, name)
        member._value_ = name
        member.words = words
        return member

    ERASURES = "erasures", "erased users"
    SENDS = "sends", "sends"
    EVENTS = "events", "past events"
    SUBSCRIPTIONS = "subscriptions", "subscriptions"
    CREATES = "creates", "created users"
    REMOVES = "removes", "removals"
    VARIABLES = "variables", "variables"
    THINGS = "things", "other things of the app"
    RENAMES = "renames", "renames"
    SETS = "sets", "values set or converted"
    LISTS = "lists", "lists and increments"
    DEVICES = "devices", "profile and devices"


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """
    *words* are how plans name the change. *rank* orders groups of changes: changes that need most care come first.

    *hazard* is the one that counts it, None for none.
    """

    words: str
    family: Family
    effect: Effect
    delivery: DeliveryClass
    hazard: str | None
    rank: int

    @property
    def is_readable(self) -> bool:
        """Whether reading the user can show that the change was applied."""
        return self.effect is not Effect.MESSAGE

    @property
    def is_compared(self) -> bool:
        """Whether live state just before writing can conflict with it. Increments of different people add up."""
        return self.effect not in (Effect.SUM, Effect.MESSAGE, Effect.OCCURRENCE)

    @property
    def is_once(self) -> bool:
        """Whether it is never sent again, and never undone, whatever a read shows."""
        return self.delivery is DeliveryClass.ONCE

    @property
    def needs_care(self) -> bool:
        """Whether it can't be undone, removes something, or reaches all users."""
        return self.family in (
            Family.ERASURES,
            Family.SENDS,
            Family.EVENTS,
            Family.SUBSCRIPTIONS,
            Family.CREATES,
            Family.REMOVES,
            Family.VARIABLES,
            Family.THINGS,
        )


_LAST: Final = 5


def _facts(kind: ChangeKind) -> ChangeFacts:  # noqa: C901, PLR0912 - a table: a case for each row
    """The table. A match, so that mypy names it when a kind has no row."""
    # Adding to a list is repeatable: a list is a set, and a read tells which values are in it, so that after a lost response
    # only the missing ones are added again. Keeping it apart from other changes, as increments are, would cost most users
    # a second billable lookup.
    repeatable, checkable, once = DeliveryClass
    # fmt: off
    match kind:
        case ChangeKind.CREATE:
            return ChangeFacts("create user", Family.CREATES, Effect.EXISTENCE, repeatable, "createdUsers", 1)
        case ChangeKind.SET:
            return ChangeFacts("set", Family.SETS, Effect.ATTRIBUTE, repeatable, None, _LAST)
        case ChangeKind.REMOVE:
            return ChangeFacts("remove", Family.REMOVES, Effect.ATTRIBUTE, repeatable, "removals", 2)
        case ChangeKind.RENAME:
            return ChangeFacts("rename to", Family.RENAMES, Effect.ATTRIBUTE, repeatable, "renames", 3)
        case ChangeKind.RENAMED_AWAY:
            return ChangeFacts("rename from", Family.RENAMES, Effect.ATTRIBUTE, repeatable, None, 4)
        case ChangeKind.CONVERT:
            return ChangeFacts("convert", Family.SETS, Effect.ATTRIBUTE, repeatable, None, _LAST)
        case ChangeKind.ADD:
            return ChangeFacts("add to", Family.LISTS, Effect.ITEMS_ADDED, repeatable, None, _LAST)
        case ChangeKind.TAKE_OUT:
            return ChangeFacts("remove from", Family.LISTS, Effect.ITEMS_REMOVED, repeatable, None, _LAST)
        case ChangeKind.INCREMENT:
            return ChangeFacts("increment", Family.LISTS, Effect.SUM, checkable, "increments", _LAST)
        case ChangeKind.PROFILE:
            return ChangeFacts("profile", Family.DEVICES, Effect.PROFILE_FIELD, repeatable, None, _LAST)
        case ChangeKind.DEVICE:
            return ChangeFacts("device", Family.DEVICES, Effect.DEVICE_FIELD, repeatable, None, _LAST)
        case ChangeKind.TOKEN:
            return ChangeFacts("push token", Family.DEVICES, Effect.DEVICE_FIELD, repeatable, None, _LAST)
        case ChangeKind.UNSUBSCRIBE:
            return ChangeFacts("unsubscribe", Family.SUBSCRIPTIONS, Effect.SUBSCRIPTION, repeatable, "unsubscribes", 2)
        case ChangeKind.RESUBSCRIBE:
            # The state shows whether it was applied, but not whether the user has left again since: see ``live_state``.
            return ChangeFacts("re-subscribe", Family.SUBSCRIPTIONS, Effect.SUBSCRIPTION, checkable, "resubscribes", 1)
        case ChangeKind.SEND:
            return ChangeFacts("send", Family.SENDS, Effect.MESSAGE, once, "sends", 0)
        case ChangeKind.EVENT:
            return ChangeFacts("event", Family.EVENTS, Effect.OCCURRENCE, once, "events", 0)
        case ChangeKind.EVENT_TOTAL:
            return ChangeFacts("event total", Family.EVENTS, Effect.OCCURRENCE, once, "events", 0)
        case ChangeKind.ERASE:
            # A second deleteUser finds nobody. A user who exists after a lost response was not deleted, or is back: both want it.
            return ChangeFacts("erase user", Family.ERASURES, Effect.ABSENCE, repeatable, "erased", 0)
        case ChangeKind.BLOCK:
            return ChangeFacts("erase and block user", Family.ERASURES, Effect.ABSENCE, repeatable, "erased", 0)
        case ChangeKind.VARIABLE:
            return ChangeFacts("set variable", Family.VARIABLES, Effect.THING, repeatable, "variables", 1)
        case ChangeKind.VARIABLE_GONE:
            return ChangeFacts("remove variable", Family.VARIABLES, Effect.THING, repeatable, "variables", 1)
        case ChangeKind.THING_CREATED:
            return ChangeFacts("create", Family.THINGS, Effect.THING, checkable, None, 3)
        case ChangeKind.THING_UPDATED:
            return ChangeFacts("update", Family.THINGS, Effect.THING, repeatable, None, 3)
        case ChangeKind.THING_REPLACED_AWAY:
            return ChangeFacts("delete to replace", Family.THINGS, Effect.THING, repeatable, "replaced", 1)
        case ChangeKind.THING_REPLACED:
            # Its class is not that of deleting, so that it comes after it, in a request of its own.
            return ChangeFacts("replace", Family.THINGS, Effect.THING, checkable, None, 1)
        case ChangeKind.THING_REMOVED:
            return ChangeFacts("delete", Family.THINGS, Effect.THING, repeatable, "removed", 1)
    # fmt: on


_FACTS: Final = {kind: _facts(kind) for kind in ChangeKind}


def facts(kind: ChangeKind) -> ChangeFacts:
    return _FACTS[kind]


def effect_of(kind: ChangeKind) -> Effect:
    return _FACTS[kind].effect
