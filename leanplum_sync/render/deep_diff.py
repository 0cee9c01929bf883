"""The differences within two nested values, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leanplum_sync.render.values import Masked, cut, escaped, shown
from leanplum_sync.wire.action import Json


def deep_words(before: Json, after: Json, cells: int) -> str:
    """
    Return only what differs, such as ``[1].price: 3 → 4, + [2]: {...}``, if both are lists or both are mappings.

    Empty otherwise: then the values are shown whole.
    """
    if not (isinstance(before, list | tuple) and isinstance(after, list | tuple)) and not (
        isinstance(before, dict) and isinstance(after, dict)
    ):
        return ""
    return cut(", ".join(_differences(_comparable(before), _comparable(after))), cells)


def _differences(before: Json, after: Json) -> Iterator[str]:
    from deepdiff import DeepDiff  # noqa: PLC0415 - heavy, and needed for nested values only

    found = DeepDiff(before, after, view="tree", ignore_numeric_type_changes=True)
    levels = ((_path(level.path(output_format="list")), level) for kind in found.values() for level in kind)
    for path, level in sorted(levels, key=lambda each: each[0]):
        old, new = level.t1, level.t2
        if "added" in level.report_type:
            yield f"+ {path}: {shown(new)}"
        elif "removed" in level.report_type:
            yield f"- {path}: {shown(old)}"
        else:
            yield f"{path}: {shown(old)} → {shown(new)}"


def _path(parts: Sequence[str | int]) -> str:
    """Return such as ``[1].price``."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{escaped(part)}" for part in parts)
    return words.removeprefix(".")


def _comparable(value: Json) -> Json:
    """A hidden value is compared by its fingerprint."""
    match value:
        case Masked():
            return str(value)
        case dict():
            return {name: _comparable(item) for name, item in value.items()}
        case list() | tuple():
            return [_comparable(item) for item in value]
        case _:
            return value
