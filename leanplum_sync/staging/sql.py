"""Names and values inside SQL text."""

from __future__ import annotations


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def both(conditions: list[str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions) or "true"


def either(*conditions: str) -> str:
    return " OR ".join(f"({condition})" for condition in conditions)
