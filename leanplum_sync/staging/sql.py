"""Pieces of SQL text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from leanplum_sync.bounds import LINE
from leanplum_sync.planner.parts import SHARDS
from leanplum_sync.wire.convert import END_OF_9999


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def both(conditions: list[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions) or "true"


def either(*conditions: str) -> str:
    return " OR ".join(f"({condition})" for condition in conditions)


def matches(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {literal(pattern)})"


# DuckDB calculates casts and GLOB once for each value of a dictionary, but regular expressions once for each row.


def is_integer(text: str, otherwise: str) -> str:
    """Return SQL that is true if *text* is a whole number of up to 15 characters in its usual form, else what *otherwise* says."""
    return f"CASE WHEN length({text}) <= 15 AND TRY_CAST({text} AS BIGINT)::VARCHAR = {text} THEN true ELSE {otherwise} END"


def has_form_of_day(text: str, year: str) -> str:
    """Tell whether *text* looks like ``2026-11-30``. *year* is a pattern of GLOB."""
    return f"{text} GLOB '{year}-[0-9][0-9]-[0-9][0-9]'"


def shard_of_subject(subject: str) -> str:
    """Return SQL for the number that ``shard_of`` returns."""
    return f"('0x' || sha256({subject})[1:4])::INTEGER % {SHARDS}"


def column_types(types: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{literal(column)}: {literal(kind)}" for column, kind in types.items()) + "}"


def json_lines(file: Path) -> str:
    """Return SQL for reading *file*, one that users bring: a longer line ends the reading, and is found line by line."""
    return f"{literal(str(file))}, format = 'newline_delimited', maximum_object_size = {LINE.most}"


def time_of_answer(column: str, own_time: float) -> str:
    """Return SQL for the time of a response. An invalid time stops the loading; reading line by line then finds it."""
    return (
        f"CASE WHEN {column} NOT BETWEEN 0 AND {END_OF_9999} THEN error('not a time')"
        f" ELSE coalesce({column}, {own_time!r}) END"
    )
