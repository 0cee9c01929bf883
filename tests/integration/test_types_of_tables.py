"""Each type of a Parquet file, a Delta table and an Iceberg table: read as documented, or refused with its column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from places import as_parquet
from pyiceberg.catalog.sql import SqlCatalog

from leanplum_sync.kinds.rows.source import NeededColumn, ObjectsSource
from leanplum_sync.problem import Place, Problem
from leanplum_sync.sources import rows
from leanplum_sync.sources.connections.columns import ColumnKind
from leanplum_sync.sources.connections.keeping import keep
from leanplum_sync.sources.connections.opening import opened
from leanplum_sync.sources.connections.reader import Files
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.number import Number

pytestmark = pytest.mark.slow

DAY = dt.date(2026, 2, 3)
TIME = dt.datetime(2026, 2, 3, 4, 5, 6, 700_000)  # noqa: DTZ001 - a time without a zone
_PARQUET, _DELTA, _ICEBERG = "parquet", "delta", "iceberg"
ALL = (_PARQUET, _DELTA, _ICEBERG)
UTC = pa.timestamp("us", "UTC")

# As documented in docs/how-to-databases.md: the type, what is written, what is read, and which formats have the type.
READ: list[tuple[pa.DataType, Any, Json, tuple[str, ...]]] = [
    (pa.string(), "x", "x", ALL),
    (pa.string(), "", "", ALL),
    (pa.string(), "é\"'\n", "é\"'\n", ALL),
    (pa.string(), None, None, ALL),
    (pa.large_string(), "x", "x", ALL),
    (pa.dictionary(pa.int32(), pa.string()), "x", "x", (_PARQUET,)),
    (pa.bool_(), False, False, ALL),
    (pa.int8(), -7, -7, (_PARQUET, _DELTA)),
    (pa.int16(), 7, 7, (_PARQUET, _DELTA)),
    (pa.int32(), 7, 7, ALL),
    (pa.int64(), 9007199254740993, 9007199254740993, ALL),
    (pa.uint64(), 2**64 - 1, Number(str(2**64 - 1)), (_PARQUET,)),
    (pa.float32(), 0.1, Number("0.1"), ALL),
    (pa.float64(), 0.1, Number("0.1"), ALL),
    (pa.float64(), 12.0, Number("12"), ALL),
    (pa.float64(), 1e300, Number("1e+300"), ALL),
    (pa.decimal128(12, 2), Decimal("1.50"), Number("1.50"), ALL),
    (pa.decimal128(38, 10), Decimal("0.0000000001"), Number("0.0000000001"), ALL),
    (pa.decimal128(38, 0), Decimal(10**37 + 1), Number(str(10**37 + 1)), ALL),
    (pa.date32(), DAY, "2026-02-03", ALL),
    (pa.timestamp("us"), TIME, "2026-02-03T04:05:06.7", ALL),
    (pa.timestamp("us"), TIME.replace(microsecond=0), "2026-02-03T04:05:06", ALL),
    (pa.timestamp("ns"), TIME, "2026-02-03T04:05:06.7", (_PARQUET,)),
    (UTC, TIME.replace(tzinfo=dt.UTC), "2026-02-03T04:05:06.7Z", ALL),
    (pa.timestamp("us", "Europe/Berlin"), TIME.replace(tzinfo=dt.UTC), "2026-02-03T04:05:06.7Z", (_PARQUET,)),
    (pa.timestamp("ns", "UTC"), TIME.replace(tzinfo=dt.UTC), "2026-02-03T04:05:06.7Z", (_PARQUET,)),
    (pa.uuid(), UUID(int=7).bytes, str(UUID(int=7)), (_PARQUET, _ICEBERG)),
    (pa.list_(pa.string()), ["a", None, 'é"'], ["a", None, 'é"'], ALL),
    (pa.list_(pa.string()), [], [], ALL),
    (pa.list_(pa.int64()), [1, 2**40], [1, 2**40], ALL),
    (pa.list_(pa.decimal128(9, 2)), [Decimal("1.50"), None], [Number("1.50"), None], ALL),
    (pa.list_(pa.float64()), [0.1, 1.0], [Number("0.1"), 1], ALL),
    (pa.list_(pa.bool_()), [True], [True], ALL),
    (pa.list_(pa.date32()), [DAY], ["2026-02-03"], ALL),
    (pa.list_(UTC), [TIME.replace(tzinfo=dt.UTC)], ["2026-02-03T04:05:06.7Z"], ALL),
]
REFUSED_CELLS = [
    (pa.date32(), -1_000_000, "a date in the years 1 to 9999"),
    (pa.timestamp("us"), -(10**17), "a time in the years 1 to 9999"),
    (pa.list_(pa.float64()), [float("nan")], "a list"),
]
REFUSED_TYPES = [
    (pa.binary(), b"x", ALL),
    (pa.time64("us"), dt.time(4, 5), (_PARQUET, _ICEBERG)),
    (pa.struct([("a", pa.int64())]), {"a": 1}, ALL),
    (pa.map_(pa.string(), pa.int64()), [("a", 1)], ALL),
    (pa.list_(pa.list_(pa.int64())), [[1]], ALL),
]


def as_files(table: pa.Table, folder: Path) -> Files:
    folder.joinpath("a.parquet").write_bytes(as_parquet(table))
    return Files("a.parquet")


def as_delta(table: pa.Table, folder: Path) -> Files:
    write_deltalake(str(folder / "table"), table)
    return Files("table", "delta")


def as_iceberg(table: pa.Table, folder: Path) -> Files:
    catalog = SqlCatalog("test", uri=f"sqlite:///{folder}/catalog.db", warehouse=folder.as_uri())
    catalog.create_namespace("shop")
    made = catalog.create_table("shop.all", schema=table.schema)
    made.append(table)
    catalog.close()
    return Files(made.location().removeprefix(folder.as_uri()).lstrip("/"), "iceberg")


WRITERS: Mapping[str, Callable[[pa.Table, Path], Files]] = {
    _PARQUET: as_files,
    _DELTA: as_delta,
    _ICEBERG: as_iceberg,
}


def read(
    files: Files, folder: Path
) -> tuple[Mapping[str, ColumnKind], list[Mapping[str, Json]], list[Problem]]:
    with opened("lake", folder.as_uri(), folder, {}, folder) as reader:
        columns = reader.columns(files, {})
        kept = keep(
            columns,
            reader.batches(files, {}, columns),
            folder,
            folder,
            sorted_by=columns[0].name,
            parameters={},
            read_at=0.0,
            server=reader.server,
            advance=lambda _: None,
        )
    needed = tuple(NeededColumn(column.name, Place("a.yaml", 1, 1)) for column in columns)
    source = ObjectsSource("lake", files.pattern, {}, Place("a.yaml"), needed=needed, kept=kept)
    problems: list[Problem] = []
    found = [row.values for row in rows(source, folder, problems.append)]
    return {column.name: column.kind for column in columns}, found, problems


def one_row(cells: list[tuple[pa.DataType, Any]]) -> pa.Table:
    return pa.table({f"c{number}": pa.array([value], kind) for number, (kind, value) in enumerate(cells)})


@pytest.mark.parametrize("form", WRITERS)
def test_values_are_read_as_documented(form: str, tmp_path: Path) -> None:
    cases = [(kind, value, expected) for kind, value, expected, forms in READ if form in forms]
    assert len(cases) >= 25
    files = WRITERS[form](one_row([(kind, value) for kind, value, _ in cases]), tmp_path)
    _, (found,), problems = read(files, tmp_path)
    assert problems == []
    assert list(found.values()) == [expected for _, _, expected in cases]


@pytest.mark.parametrize(("kind", "value", "expected"), REFUSED_CELLS)
def test_values_that_no_attribute_can_have_are_refused_with_row_and_column(
    kind: pa.DataType, value: Any, expected: str, tmp_path: Path
) -> None:
    table = pa.table({"c0": pa.array([None, value], kind)})
    _, _, (problem,) = read(as_files(table, tmp_path), tmp_path)
    assert (problem.place.file, problem.place.row) == ("lake:a.parquet", 2)
    assert problem.message == f"the value in column c0 is not {expected}"


@pytest.mark.parametrize("form", WRITERS)
def test_columns_of_other_types_can_not_become_values(form: str, tmp_path: Path) -> None:
    cases = [(pa.string(), "x"), *((kind, value) for kind, value, forms in REFUSED_TYPES if form in forms)]
    kinds, found, _ = read(WRITERS[form](one_row(cases), tmp_path), tmp_path)
    assert set(list(kinds.values())[1:]) == {ColumnKind.OTHER}
    assert found[0]["c0"] == "x"
