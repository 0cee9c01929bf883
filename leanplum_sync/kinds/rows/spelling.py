"""How a cell can be written so that it gives a certain value: the inverse of reading a row, as a list of guesses."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Final

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number, double_text

_PAIRS: Final = (("false", "true"), ("no", "yes"), ("0", "1"))
_DAY: Final = 24 * 3600
_IN_BARE_LIST: Final = frozenset('[]{}",\n')


def spellings(value: Json, old: Json, *, only_text: bool) -> Iterator[Json]:
    """
    Yield cells that may give *value*, in the style of the *old* cell first. None, the absence of a value, is an empty cell.

    These are guesses: whether a cell gives the value depends on the spec, so read the row again to find out. *only_text*: the
    format has no types, as CSV.
    """
    as_text = only_text or isinstance(old, str)
    match value:
        case None:
            yield "" if only_text else None
        case str() if value.lower() in _PAIRS[0]:
            yield from _booleans(value, old, only_text=only_text)
        case str() if value:
            yield value
        case bool():
            yield from _booleans(str(value), old, only_text=only_text)
        case int() | float():
            texts = [*_moments(value, old), double_text(float(value))]
            yield from texts if only_text else [*texts, value] if as_text else [value, *texts]
        case list():
            texts = list(_lists(value))
            yield from texts if only_text else [*texts, value] if as_text else [value, *texts]
        case _:
            pass


def _booleans(text: str, old: Json, *, only_text: bool) -> Iterator[Json]:
    """The API returns a boolean as the text ``True`` or ``False``."""
    truth = text.lower() == "true"
    if isinstance(old, bool) and not only_text:
        yield truth
    word = old.text if isinstance(old, Number) else str(old)
    for pair in _PAIRS:
        if word.lower() in pair:
            new = pair[truth]
            yield new.upper() if word.isupper() else new.capitalize() if word[0].isupper() else new
    yield from dict.fromkeys((text.lower(), text))
    if not only_text:
        yield truth


def _moments(seconds: float, old: Json) -> Iterator[str]:
    """Yield a moment as a date or datetime, if the old cell was one."""
    if not isinstance(old, str) or "-" not in old[1:]:
        return
    try:
        moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return
    if seconds % _DAY == 0 and "T" not in old and " " not in old:
        yield f"{moment:%Y-%m-%d}"
    yield moment.isoformat().replace("+00:00", "Z")


def _lists(items: list[Json]) -> Iterator[str]:
    """Yield a list in Leanplum's CSV form, ``[a, b]``, if its items allow that; and as JSON."""
    texts = [item if isinstance(item, str) else json.dumps(item) for item in items]
    if all(text and text == text.strip() and not _IN_BARE_LIST.intersection(text) for text in texts):
        yield f"[{', '.join(texts)}]"
    yield json.dumps(items, ensure_ascii=False)
