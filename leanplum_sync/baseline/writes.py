"""What a run wrote, as lines that are merged into the baseline."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from leanplum_sync.planner.change import Change, Effect, effect_of
from leanplum_sync.staging import prints
from leanplum_sync.wire.action import Json


def line_of(user: str, changes: Iterable[Change], at: float) -> bytes:
    """
    Return a line of JSON: ``id``, ``at``, and ``{field: [value]}``; ``[]`` if the run changed the value and doesn't know it.

    *changes* were all carried out. *at* is when, in epoch seconds.

    Raises:
        TypeError: a text is no valid Unicode.
    """
    values: dict[str, list[Json]] = {}
    for change in changes:
        match effect_of(change.kind):
            case Effect.ATTRIBUTE:
                values[prints.attribute(change.field)] = [change.after]
            case Effect.PROFILE_FIELD:
                values[prints.profile(change.field)] = [change.after]
            case Effect.ITEMS_ADDED | Effect.ITEMS_REMOVED | Effect.SUM:
                values[prints.attribute(change.field)] = []
            case (
                Effect.EXISTENCE
                | Effect.ABSENCE
                | Effect.DEVICE_FIELD
                | Effect.SUBSCRIPTION
                | Effect.MESSAGE
                | Effect.OCCURRENCE
                | Effect.THING
            ):
                pass
    return orjson.dumps({**values, "id": user, "at": at}, option=orjson.OPT_APPEND_NEWLINE)
