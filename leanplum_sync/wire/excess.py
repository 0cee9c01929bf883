"""Finds what is over a bound in JSON values: of a row, or of a response about a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from leanplum_sync.bounds import CELL, COLUMNS, ITEMS, NESTING
from leanplum_sync.wire.action import Json

TOO_DEEP: Final = f"values are nested more than {NESTING} deep"
_SHORT: Final = min(CELL.most, COLUMNS.most, ITEMS.most)


def is_suspect(text: bytes) -> bool:
    """Tell whether the JSON *text* could be over a limit: counting bytes is much cheaper than looking at values."""
    return len(text) > _SHORT or text.count(b"[") + text.count(b"{") > NESTING.most


def is_too_deep(error: orjson.JSONDecodeError) -> bool:
    """Tell whether JSON could not be parsed because of its nesting."""
    return "depth limit" in str(error)


def excess(values: Mapping[str, Json]) -> str:
    """Return the bound that *values* is over, as a sentence without a full stop; "" if none."""
    if len(values) > COLUMNS.most:
        return f"there are more than {COLUMNS}"
    level: list[Json] = list(values.values())
    for _ in range(NESTING.most):
        deeper: list[Json] = []
        is_flat = True
        for (
            value
        ) in level:  # not with `match`, which takes twice as long: this runs for each value of each user
            if isinstance(value, str):
                if len(value) > CELL.most:
                    return f"a text value has more than {CELL}"
            elif isinstance(value, list | dict):
                if len(value) > ITEMS.most:
                    return f"a list has more than {ITEMS}"
                is_flat = False
                deeper += value if isinstance(value, list) else value.values()
        if is_flat:
            return ""
        level = deeper
    return TOO_DEEP
