"""Which active messages the events of a plan would trigger, and for how many users, as far as getMessages shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from leanplum_sync.planner.change import Change, ChangeKind
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.message import Message

IN_APP: Final = "in-app"  # Source: Leanplum docs, sending messages via the API: the API can't send these
_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Trigger:
    """
    An active message that the plan's events may send: its id and its name in the dashboard.

    *events* are the names of the events that trigger it; empty if getMessages doesn't show its triggers, so that any may. *users*
    get at least one of them.
    """

    message: int
    name: str
    events: tuple[str, ...]
    users: int
    samples: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        return bool(self.events)


@dataclass(slots=True)
class _Seen:
    users: int = 0
    events: set[str] = field(default_factory=set)
    samples: list[str] = field(default_factory=list)


class TriggerCounter:
    """Counts the users of a plan as they pass, by message. *catalogue* are the messages that getMessages lists."""

    def __init__(self, catalogue: Iterable[Message]) -> None:
        self._messages = [message for message in catalogue if _can_be_triggered(message)]
        self._seen: dict[int, _Seen] = {}
        self._fired: dict[str, tuple[int, ...]] = {}

    def include(self, changes: Iterable[Change]) -> bool:
        """Include all changes of one subject. Return whether one of them may trigger a message."""
        by_message: dict[int, set[str]] = {}
        subject = ""
        for change in changes:
            if change.kind is ChangeKind.EVENT:
                subject = change.subject.id
                for number in self._triggered_by(change.field):
                    by_message.setdefault(number, set()).add(change.field)
        for number, events in by_message.items():
            seen = self._seen.setdefault(number, _Seen())
            seen.users += 1
            if _shown_triggers(self._messages[number]) is not None:
                seen.events |= events
            if len(seen.samples) < _SAMPLES:
                seen.samples.append(subject)
        return bool(by_message)

    def _triggered_by(self, event: str) -> tuple[int, ...]:
        found = self._fired.get(event)
        if found is None:
            found = self._fired[event] = tuple(
                number for number, message in enumerate(self._messages) if may_trigger(event, message)
            )
        return found

    def triggers(self) -> tuple[Trigger, ...]:
        """Return the messages that users may get, known triggers first, then by name."""
        found = [
            Trigger(
                self._messages[number].id,
                self._messages[number].name,
                tuple(sorted(seen.events)),
                seen.users,
                tuple(seen.samples),
            )
            for number, seen in self._seen.items()
        ]
        return tuple(sorted(found, key=lambda each: (not each.is_known, each.name, each.message)))


def started_since(
    planned: Iterable[Trigger], events: Collection[str], catalogue: Iterable[Message]
) -> tuple[Message, ...]:
    """Return the messages that *events* may trigger now, and that the plan didn't count for one of them."""
    counted = {trigger.message: trigger for trigger in planned}
    return tuple(
        message
        for message in catalogue
        if _can_be_triggered(message)
        and any(
            may_trigger(event, message) and not _is_counted(counted.get(message.id), event)
            for event in events
        )
    )


def _is_counted(trigger: Trigger | None, event: str) -> bool:
    return trigger is not None and (not trigger.is_known or event in trigger.events)


def _can_be_triggered(message: Message) -> bool:
    """
    In-app messages have triggers in the app only (``localTriggers``). An import doesn't reach the app.

    Manual messages have no trigger, but getMessages doesn't show how a message is delivered.
    """
    return message.active and not message.type.lower().startswith(IN_APP)


def may_trigger(event: str, message: Message) -> bool:
    """
    Return whether *event* may trigger the active *message*.

    Leanplum's OpenAPI has ``serverTriggers`` as a text, and doesn't give its form. So a trigger is any text in it that contains
    the event's name, in any case. Recorded responses lack the field: then any event may trigger the message.
    """
    shown = _shown_triggers(message)
    if shown is None:
        return True
    name = event.casefold()
    return any(name in text.casefold() for text in _texts(shown))


def _shown_triggers(message: Message) -> Json:
    """Return what getMessages shows of the message's triggers; None if that is nothing, or nothing that can have a name in it."""
    shown = message.fields.get("serverTriggers")
    return shown if isinstance(shown, str | list | dict) else None


def _texts(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, item in value.items():
                yield str(name)
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
        case _:
            pass
