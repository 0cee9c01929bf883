"""Queries run as `plan` runs them: read through a connection, kept, and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leanplum_sync.kinds.rows.source import KeptRows, NeededColumn, QuerySource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import rows
from leanplum_sync.sources.connections.keeping import keep
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.statement import parse
from leanplum_sync.wire.action import Json


@dataclass(frozen=True, slots=True)
class Answer:
    rows: Sequence[Mapping[str, Json]]
    problems: Sequence[Problem]
    kept: KeptRows


def ask(url: str, query: str, root: Path, parameters: Mapping[str, Json] | None = None) -> Answer:
    """Return what *query* gives; *root* is the project folder. Every column is one that the spec needs."""
    statement, values = parse(query), parameters or {}
    root.mkdir(exist_ok=True)
    with opened("db", url, root, {}, root) as reader:
        columns = reader.columns(statement, values)
        kept = keep(
            columns,
            reader.batches(statement, values, columns),
            root,
            root,
            sorted_by=columns[0].name,
            parameters=values,
            read_at=0.0,
            server=reader.server,
            advance=lambda _: None,
        )
    needed = tuple(NeededColumn(column.name, Place("a.yaml", 1, 1)) for column in columns)
    source = QuerySource("db", "q.sql", values, Place("a.yaml"), needed=needed, kept=kept)
    problems: list[Problem] = []
    found = [row.values for row in rows(source, root, problems.append)]
    return Answer(found, problems, kept)
