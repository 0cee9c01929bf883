"""Actions as data: one call of an API method, alone or inside ``multi``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from leanplum_sync.address import Subject

Json: TypeAlias = Any  # None, bool, int, float, str, list and dict: whatever JSON can say


class DeliveryClass(StrEnum):
    """
    What may be done if it is unknown whether an action was carried out.

    A subject's actions are sent in this order, so that attributes are set before a message uses them.
    """

    REPEATABLE = "repeatable"  # idempotent: compare with live state, send what differs
    CHECKABLE = "checkable"  # a read shows whether it was applied
    ONCE = "once"  # neither: held until a person decides


@dataclass(frozen=True, slots=True)
class Action:
    """
    One call of one API method: ``Action("setUserAttributes", {"userId": "u1", "userAttributes": {...}})``.

    *arguments* are native JSON values, without ``action``, keys or time.
    """

    name: str
    arguments: Mapping[str, Json]

    def payload(self) -> dict[str, Json]:
        """Return the element for this action in the ``data`` of a ``multi``."""
        return {"action": self.name, **self.arguments}

    def subject(self) -> Subject:
        """Return the subject of the action. Source: OpenAPI: with an absent or blank userId, the deviceId counts."""
        user_id = self.arguments.get("userId")
        return Subject.user(user_id) if user_id else Subject.device(self.arguments["deviceId"])
