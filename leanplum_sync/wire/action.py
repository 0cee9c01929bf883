"""Actions as data: what one API call, alone or inside ``multi``, says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from leanplum_sync.address import Subject

Json: TypeAlias = Any  # None, bool, int, float, str, list and dict: whatever JSON can say


class DeliveryClass(StrEnum):
    """
    What may be done when nobody knows whether an action was carried out.

    The order is the order in which a subject's actions are sent: attributes are in place before a message uses them.
    """

    REPEATABLE = "repeatable"  # doing it twice is doing it once: compare with live state, send what differs
    CHECKABLE = "checkable"  # a read tells applied from not applied
    ONCE = "once"  # neither: held for a person


@dataclass(frozen=True, slots=True)
class Action:
    """
    One call of one API method: ``Action("setUserAttributes", {"userId": "u1", "userAttributes": {...}})``.

    *arguments* are native JSON values, without ``action``, keys or time.
    """

    name: str
    arguments: Mapping[str, Json]

    def payload(self) -> dict[str, Json]:
        """The element of ``data`` in a ``multi`` that carries this action."""
        return {"action": self.name, **self.arguments}

    def subject(self) -> Subject:
        """Whom the action is about. Source for the choice: an absent or blank userId means the deviceId counts."""
        user_id = self.arguments.get("userId")
        return Subject.user(user_id) if user_id else Subject.device(self.arguments["deviceId"])
