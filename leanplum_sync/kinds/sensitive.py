"""A rename carries a value from one name to another: if one of the two is sensitive, both are."""

from __future__ import annotations

from collections.abc import Iterable

from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.rows.desires import TakeAttribute
from leanplum_sync.kinds.rows.parts import Always


def with_renamed(sensitive: frozenset[str], resources: Iterable[Resource]) -> frozenset[str]:
    """Return *sensitive* and the names that *resources* rename them to or from, however many renames it takes."""
    pairs = [
        {part.wish.name, part.wish.source}
        for resource in resources
        for part in resource.parts
        if isinstance(part, Always) and isinstance(part.wish, TakeAttribute)
    ]
    found = sensitive
    while more := frozenset().union(*(pair for pair in pairs if pair & found)) - found:
        found |= more
    return found
