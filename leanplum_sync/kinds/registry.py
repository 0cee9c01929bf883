"""
Every kind of resource. To add one, write its module and list it here.

Everything else is looked up in ``KINDS``: reading and checking specs, their JSON Schema, key order and reference pages, planning,
drift, undo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leanplum_sync.kinds import (
    erasure,
    events,
    expectations,
    exports,
    message_send,
    notification_channels,
    postbacks,
    push_tokens,
    subscriptions,
    user_attributes,
    variables,
)
from leanplum_sync.kinds.kind import Kind


def by_name(*kinds: Kind[Any]) -> Mapping[str, Kind[Any]]:
    """
    Return *kinds* by their names, in the order given.

    Raises:
        ValueError: two have the same name, or use the same name for a table.
    """
    found = {kind.name: kind for kind in kinds}
    tables = [table for kind in kinds for table in kind.tables]
    if len(found) < len(kinds) or len(set(tables)) < len(tables):
        raise ValueError("two kinds, or two of their tables, have the same name")
    return found


KINDS: Final = by_name(
    user_attributes.KIND,
    push_tokens.KIND,
    subscriptions.KIND,
    message_send.KIND,
    events.KIND,
    erasure.KIND,
    variables.KIND,
    notification_channels.KIND,
    postbacks.KIND,
    expectations.KIND,
    exports.KIND,
)
