"""Actions that erase a user, and how the API shows that one is blocked."""

from __future__ import annotations

from typing import Final

from leanplum_sync.wire.action import Action

ERASING: Final = ("deleteUser", "block")
_BLOCKED: Final = "unavailable for legal reasons"  # Source: Leanplum docs: with HTTP 451, for a blocked user


def is_erasing(action: Action) -> bool:
    return action.name in ERASING


def is_blocked(message: str) -> bool:
    """Whether the API's *message*, to a request about a user, says that the user is blocked."""
    return _BLOCKED in message.lower()
