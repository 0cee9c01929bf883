"""Paths of files in an object store: patterns, values in them, and partitions as Hive names them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from leanplum_sync.wire.action import Json

_PARAMETER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MAGIC: Final = re.compile(r"[*?\[]")
_NO_VALUE: Final = "__HIVE_DEFAULT_PARTITION__"  # Source: Apache Hive, dynamic partitions


def parameters_of(path: str) -> tuple[str, ...]:
    """Return the names in braces, each once."""
    return tuple(dict.fromkeys(_PARAMETER.findall(path)))


def filled(path: str, values: Mapping[str, Json]) -> str:
    """
    Return *path* with values for the names in braces. They are taken literally.

    Raises:
        ValueError: a value can't be part of a path. Its message is the name.
    """

    def value(match: re.Match[str]) -> str:
        text = str(values[match[1]])
        if not text or "/" in text or "\\" in text or text in (".", ".."):
            raise ValueError(match[1])
        return re.sub(r"([*?\[])", r"[\1]", text)

    return _PARAMETER.sub(value, path)


def fixed_part(pattern: str) -> str:
    """Return the folders before the first one with a ``*``, ``?`` or ``[``: where to list. The whole path if there is none."""
    parts = pattern.split("/")
    count = next((number for number, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return "/".join(parts[:count])


def is_pattern(path: str) -> bool:
    return _MAGIC.search(path) is not None


def matches(path: str, pattern: str) -> bool:
    """Tell whether *path* matches: ``*``, ``?`` and ``[...]`` stay inside a folder, ``**`` stands for any number of folders."""
    return _match(path.split("/"), pattern.split("/"))


def _match(path: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_match(path[skipped:], pattern[1:]) for skipped in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _match(path[1:], pattern[1:])


def partitions(path: str) -> dict[str, str | None]:
    """Return the columns that folders such as ``day=2026-11-01`` stand for."""
    pairs = (part.partition("=") for part in path.split("/")[:-1])
    found = {name: unquote(value) for name, equals, value in pairs if equals and name}
    return {name: None if value == _NO_VALUE else value for name, value in found.items()}
