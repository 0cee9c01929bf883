"""Rows of queries that are kept: their digest tells every difference of content, and no difference of order or size of pieces."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leanplum_sync.kinds.rows.source import KeptRows, QuerySource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import rows
from leanplum_sync.sources.connections.columns import ColumnKind, QueryColumn
from leanplum_sync.sources.connections.keeping import keep

COLUMNS = (QueryColumn("id", ColumnKind.TEXT, "text"), QueryColumn("tier", ColumnKind.TEXT, "text"))
Table: TypeAlias = list[tuple[str | None, str | None]]

cells = st.none() | st.text(alphabet="ab\u00e9 ", max_size=3)
tables = st.lists(st.tuples(cells, cells), max_size=12)


def kept(root: Path, table: Sequence[tuple[str | None, str | None]], size: int = 100) -> KeptRows:
    scratch = root / "scratch"
    scratch.mkdir(exist_ok=True)
    schema = pa.schema([(column.name, pa.string()) for column in COLUMNS])
    pieces = [table[start : start + size] for start in range(0, len(table), size)]
    batches = [
        pa.record_batch([[row[place] for row in piece] for place in (0, 1)], schema=schema)
        for piece in pieces
    ]
    return keep(
        COLUMNS,
        batches,
        root,
        scratch,
        sorted_by="id",
        parameters={},
        read_at=0.0,
        server="a test",
        advance=lambda _: None,
    )


@settings(max_examples=25)
@given(tables, st.data())
def test_order_and_size_of_pieces_make_no_difference_and_every_cell_does(
    table: Table, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(table))
    other = data.draw(tables)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        first = kept(root, table)
        again = kept(root, shuffled, size=data.draw(st.integers(1, 5)))
        assert (again.digest, again.sha256, again.count) == (first.digest, first.sha256, len(table))
        assume(sorted(map(repr, other)) != sorted(map(repr, table)))
        assert kept(root, other).digest != first.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("u", "ab"), ("v", "")], [("u", "a"), ("v", "b")]),
        ([("u", None)], [("u", "")]),
        ([("u", "a")], [("u", "a"), ("u", "a")]),
        ([("u", "a"), ("v", "b")], [("u", "b"), ("v", "a")]),
        ([], [(None, None)]),
    ],
)
def test_tables_whose_texts_are_the_same_one_after_the_other_differ(
    one: Table, other: Table, tmp_path: Path
) -> None:
    assert kept(tmp_path, one).digest != kept(tmp_path, other).digest


@settings(max_examples=25)
@given(tables)
def test_rows_come_back_sorted_by_id_and_numbered(table: Table) -> None:
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = QuerySource("db", "q.sql", {}, Place("a.yaml"), kept=kept(root, table))
        found = list(rows(source, root, problems.append))
    assert not problems
    assert [row.number for row in found] == list(range(1, len(table) + 1))
    assert [row.place for row in found] == [Place("db:q.sql", row=row.number) for row in found]
    got = [(row.values["id"], row.values["tier"]) for row in found]
    assert sorted(map(repr, got)) == sorted(map(repr, table))
    ids = [str(value).encode() for value, _ in got if value is not None]
    assert ids == sorted(ids)
