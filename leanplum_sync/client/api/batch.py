"""Calls that are sent together in one ``multi``, and the rules of the API for this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from leanplum_sync.client.api.call import Call
from leanplum_sync.errors import InvalidCallError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import ACTIONS, InMulti, KeyClass, Target
from leanplum_sync.wire.limits import ACTIONS_PER_BATCH, USERS_PER_BATCH
from leanplum_sync.wire.outcome import ActionOutcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """*value* is the typed response to an action that was done, None of one that was not. *element* is what came back."""

    outcome: ActionOutcome
    value: T | None
    element: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)


def key_class_of(calls: Sequence[Call[Any]], key_class: KeyClass | None = None) -> KeyClass:
    """
    Return the class of the one key that allows all *calls*; *key_class* overrides what the catalogue says.

    Raises:
        InvalidCallError: the API would refuse the batch, or not take it as a batch at all.
    """
    if not calls:
        raise InvalidCallError("A batch must have at least one action.")
    if len(calls) > ACTIONS_PER_BATCH:
        raise InvalidCallError(f"A batch can have at most {ACTIONS_PER_BATCH} actions, not {len(calls)}.")
    for call in calls:
        if ACTIONS[call.action.name].in_multi is InMulti.NEVER:
            raise InvalidCallError(f"{call.action.name} can't be part of a batch: call it alone.")
    subjects = {call.action.subject() for call in calls if ACTIONS[call.action.name].target is not Target.APP}
    if len(subjects) > USERS_PER_BATCH:
        raise InvalidCallError(f"A batch can have at most {USERS_PER_BATCH} users, not {len(subjects)}.")
    if key_class is not None:
        return key_class
    classes = sorted({call.key_class for call in calls})
    if len(classes) > 1:
        needed = " and ".join(one.words for one in classes)
        raise InvalidCallError(
            f"A batch is sent with one key, but these actions need {needed} keys: split the batch."
        )
    return classes[0]
