"""A spec that gives each listed user the tier gold, and users of an app who have the tier silver."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

TIERS: Final = """\
apiVersion: leanplum-sync/v1
kind: UserAttributes
metadata: {name: tiers}
spec:
  users: {file: ../users.csv, id: id}
  attributes: {tier: gold}
"""


def silver(users: Iterable[str]) -> list[dict[str, Any]]:
    """Return lines of a seed. Each user has one device, which a message can be sent to."""
    return [
        {"userId": user, "userAttributes": {"tier": "silver"}, "devices": [{"deviceId": f"d-{user}"}]}
        for user in users
    ]
