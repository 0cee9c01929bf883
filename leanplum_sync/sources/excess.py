"""Finds what is over a bound in a row whose values are JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanplum_sync.bounds import CELL, COLUMNS, ITEMS, NESTING
from leanplum_sync.wire.action import Json

_SHORT: Final = min(CELL.most, COLUMNS.most, ITEMS.most)


def is_suspect(text: bytes) -> bool:
    """Tell whether the JSON *text* could be over a bound: counting bytes costs far less than looking at values."""
    return len(text) > _SHORT or text.count(b"[") + text.count(b"{") > NESTING.most


def excess(values: Mapping[str, Json]) -> str:
    """Return in what the row *values* is over a bound; "" if in nothing."""
    if len(values) > COLUMNS.most:
        return f"the row has more than {COLUMNS}"
    level: list[Json] = list(values.values())
    for _ in range(NESTING.most):
        deeper: list[Json] = []
        is_flat = True
        for value in level:
            match value:
                case str() if len(value) > CELL.most:
                    return f"a text has more than {CELL}"
                case list() | dict() if len(value) > ITEMS.most:
                    return f"a list has more than {ITEMS}"
                case list() | dict():
                    is_flat = False
                    deeper += value if isinstance(value, list) else value.values()
                case _:
                    pass
        if is_flat:
            return ""
        level = deeper
    return f"the row is nested more than {NESTING} deep"
