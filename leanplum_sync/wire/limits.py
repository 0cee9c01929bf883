"""The API's numbers, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

USERS_PER_BATCH = 50  # Source: Leanplum docs, batching-requests: above it the call is ignored with a 403
ACTIONS_PER_BATCH = 500  # Source: as above
ID_LENGTH = 400  # characters; Source: Leanplum docs, api-limits (userId and deviceId)
NAME_LENGTH = 139  # characters; Source: Leanplum docs, api-limits: "fewer than 140"
USER_ATTRIBUTE_NAMES = 500  # distinct per app; Source: Leanplum docs, api-limits
LARGEST_EXACT_INTEGER = 2**53  # numbers are kept as doubles: exportUser prints Java's Double.toString


@dataclass(frozen=True, slots=True)
class BatchLimits:
    users: int = USERS_PER_BATCH
    actions: int = ACTIONS_PER_BATCH
