"""
Prints: keyed hashes of 64 bits that stand for the values of users' fields, in SQL.

A field is one of

- ``attribute:NAME``, ``profile:NAME``: the value;
- ``items:NAME``: a list of prints, one for each value in the list that an attribute is; empty if it is absent, NULL if it is no list;
- ``is-TYPE:NAME``: whether an attribute is absent, or certainly has the type, so that converting it changes nothing.

Two values that the API can distinguish have different prints; nearly all
values that it can't distinguish have the same one, see ``wire/values.py``. So equal prints show that nothing changes,
and different prints show nothing. Each rule turns a value into a text first, and NULL stays NULL: unknown.

The hash is MD5 of a secret key, the field and the text. Whoever doesn't have the key can't find a value by trying, and nobody
gains from two values with one print. DuckDB's SHA-256 takes three times as long.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leanplum_sync.staging.sieve import is_of
from leanplum_sync.staging.sql import either, literal
from leanplum_sync.wire.convert import ValueType
from leanplum_sync.wire.profile import PROFILE_FIELDS

ABSENT: Final = literal("a")
_VARIABLE: Final = "print_key"
_ATTRIBUTE: Final = "attribute"
_PROFILE: Final = "profile"
_ITEMS: Final = "items"
_TYPES: Final = {f"is-{each.value}": each for each in ValueType}
YES: Final = literal("yes")
# Names that are the same text in JSON and in SQL.
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_ .:/-]+")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """
    A Parquet file with prints: the columns ``id``, ``seen_at``, ``written_at`` (epoch seconds, NULL if never), and one for each of *fields*.

    *doubtful* is a file with the ids, as JSON strings, one per line, of users about whom nothing may be assumed, None for none.
    Users who were seen and written before *not_before* are unknown, too.
    """

    path: Path
    key: str
    fields: frozenset[str]
    doubtful: Path | None = None
    not_before: float | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """A random sample of the users about whom something is assumed. *size* gets their number, and returns how many to read."""

    size: Callable[[int], int]
    seed: str


def attribute(name: str) -> str:
    return f"{_ATTRIBUTE}:{name}"


def profile(name: str) -> str:
    return f"{_PROFILE}:{name}"


def items(name: str) -> str:
    return f"{_ITEMS}:{name}"


def is_type(name: str, type_: ValueType) -> str:
    return f"is-{type_.value}:{name}"


def name_of(field: str) -> str:
    """Return the name of the attribute or profile field that *field* is about."""
    return field.partition(":")[2]


def base_of(field: str) -> str:
    """Return the field with the value that *field* is made of."""
    return field if field.startswith(f"{_PROFILE}:") else attribute(name_of(field))


def bases_of(fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(base_of, fields)))


def is_attribute(base: str) -> bool:
    return base.startswith(f"{_ATTRIBUTE}:")


def column_type(field: str) -> str:
    return "UBIGINT[]" if field.startswith(f"{_ITEMS}:") else "UBIGINT"


def storable(fields: Collection[str]) -> tuple[str, ...]:
    """Return the *fields* that can have prints, sorted. Names that differ only in case can't: they are one name for SQL."""
    spelled = Counter(base.lower() for base in set(map(base_of, fields)))
    return tuple(
        each for each in sorted(fields) if spelled[base_of(each).lower()] == 1 and _is_storable(each)
    )


def _is_storable(field: str) -> bool:
    kind, _, name = field.partition(":")
    if kind == _PROFILE:
        return name in PROFILE_FIELDS
    return kind in (_ATTRIBUTE, _ITEMS, *_TYPES) and _PLAIN_NAME.fullmatch(name) is not None


def with_key(key: str) -> str:
    """Return the statement that makes *key* known to the connection, before any print is made."""
    return f"SET VARIABLE {_VARIABLE} = {literal(key)}"


def print_of(field: str, text: str) -> str:
    """Return SQL for the print of *text*, which one of the functions below made of a value of *field*."""
    prefix = literal(
        f"{len(field)}:{field}:"
    )  # with the length: no two fields and texts look the same together
    return f"(md5_number(getvariable('{_VARIABLE}') || {prefix} || {text}) >> 64)::UBIGINT"


def print_of_json(field: str, value: str) -> str:
    """Return SQL for what the column of *field* has for *value*, see ``of_json``."""
    kind, _, _ = field.partition(":")
    if kind == _ITEMS:
        each = print_of(field, f"({of_json('(x::VARCHAR)')})")
        members = f"list_transform(from_json({value}::JSON, '[\"JSON\"]'), lambda x: {each})"
        return (
            f"CASE WHEN {value} IS NULL OR {value} IN ('null', '[]') THEN []::UBIGINT[]"
            f" WHEN starts_with({value}, '[') THEN {members} END"
        )
    if kind in _TYPES:
        is_so = either(f"{value} IS NULL", f"{value} IN ('null', '[]')", is_of(value, _TYPES[kind]))
        return print_of(field, f"(CASE WHEN {is_so} THEN {YES} ELSE 'no' END)")
    return print_of(field, f"({of_json(value)})")


def of_text(text: str) -> str:
    """Return SQL for a text that is a value. ``true`` and ``"True"`` count as equal."""
    word = f"lower({text})"
    return f"CASE WHEN {word} IN ('true', 'false') THEN 'w' || {word} ELSE 't' || {text} END"


def of_word(word: str) -> str:
    """*word* is ``true`` or ``false``."""
    return f"'w' || {word}"


def of_number(text: str) -> str:
    """*text* is NULL, or a number. It counts as the API keeps it."""
    return f"'n' || TRY_CAST({text} AS DOUBLE)::VARCHAR"


def of_json(value: str) -> str:
    """Return SQL for *value*, JSON text as DuckDB writes it, or NULL if a user has no value."""
    unquoted = (
        f"CASE WHEN contains({value}, '\\') THEN json_extract_string({value}, '$') ELSE {value}[2:-2] END"
    )
    return (
        f"CASE WHEN {value} IS NULL OR {value} IN ('null', '[]') THEN {ABSENT}"
        f" WHEN starts_with({value}, '\"') THEN {of_text(f'({unquoted})')}"
        f" WHEN {value} IN ('true', 'false') THEN {of_word(value)}"
        f" WHEN starts_with({value}, '[') OR starts_with({value}, '{{') THEN 'j' || {value}"
        f" ELSE {of_number(value)} END"
    )
