"""
Rows that were read, sorted and kept as one Parquet file of texts, under their digest.

The digest is over the sorted rows, column by column: of each column, the bytes of its texts one after the other, and their
lengths. Neither the order in which rows came nor how many came at once makes a difference, and no two tables have the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leanplum_sync.duck import connect
from leanplum_sync.errors import StorageError
from leanplum_sync.kinds.rows.source import ROWS_FOLDER, KeptRows
from leanplum_sync.sources.connections.columns import QueryColumn
from leanplum_sync.sources.connections.reader import LONGEST_TEXT, QueryError
from leanplum_sync.sources.opening import file_digest
from leanplum_sync.wire.action import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

COLUMNS_KEY: Final = "leanplum-sync columns"  # of the file's metadata
_FORMAT: Final = 1
_ROWS_AT_ONCE: Final = 20_000
_GROUP_ROWS: Final = 120_000  # values that repeat within a group of rows are stored, and compared, once
_GROUP_BYTES: Final = 16 << 20
_SORT_MEMORY_MB: Final = 128


def keep(
    columns: Sequence[QueryColumn],
    batches: Iterable[pa.RecordBatch],
    root: Path,
    scratch: Path,
    *,
    sorted_by: str,
    parameters: Mapping[str, Json],
    read_at: float,
    server: str,
    advance: Callable[[int], None],
) -> KeptRows:
    """
    Write the rows of *batches*, sorted by the column *sorted_by* and then all others, below the project folder *root*.

    *scratch* is a folder for what is needed meanwhile. *advance* is called with the number of rows of each batch. The file is
    readable by its owner only, and there as a whole or not at all.

    Raises:
        QueryError: a text is too long.
        StorageError: there is no room for the rows.
    """
    import duckdb  # noqa: PLC0415 - heavy
    import pyarrow as pa  # noqa: PLC0415 - an extra

    folder = root / ROWS_FOLDER
    part = scratch / "rows.parquet"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unsorted = scratch / "rows.arrow"
        _spool(unsorted, columns, batches, advance)
        with connect(memory_limit_mb=_SORT_MEMORY_MB, threads=2, spill=scratch / "rows.spill") as connection:
            digest, count = _write_sorted(connection, unsorted, columns, part, sorted_by)
        pa.default_memory_pool().release_unused()  # 50 MB for batches that won't come; comparing needs them
        kept = KeptRows(digest, file_digest(part), count, read_at, server, parameters)
        part.chmod(0o600)
        part.replace(root / kept.path)
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise StorageError(
            f"{folder}: the rows can't be kept: {reason}. Free some space on the disk."
        ) from error
    finally:
        for each in scratch.glob("rows.*"):
            each.unlink() if each.is_file() else shutil.rmtree(each)
    return kept


def _spool(
    path: Path,
    columns: Sequence[QueryColumn],
    batches: Iterable[pa.RecordBatch],
    advance: Callable[[int], None],
) -> None:
    """Write the rows as they come. The database must not wait for the sorting, and a file takes no memory."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import compute  # noqa: PLC0415 - as above

    schema = pa.schema([(f"c{number}", pa.string()) for number, _ in enumerate(columns)])
    with _private(path) as file, pa.ipc.new_stream(file, schema) as rows:
        for batch in batches:
            for column, texts in zip(columns, batch.columns, strict=True):
                longest = compute.max(compute.binary_length(texts)).as_py() or 0
                if longest > LONGEST_TEXT:
                    raise QueryError(
                        f"column {column.name} has a text of {longest:,} bytes",
                        f"At most {LONGEST_TEXT:,} are allowed in a value. Leave the column out, or shorten it in the query.",
                    )
            rows.write_batch(
                pa.record_batch([texts.cast(pa.string()) for texts in batch.columns], schema=schema)
            )
            advance(batch.num_rows)


def _write_sorted(
    connection: DuckDBPyConnection,
    unsorted: Path,
    columns: Sequence[QueryColumn],
    path: Path,
    sorted_by: str,
) -> tuple[str, int]:
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415 - as above

    names = [f"c{number}" for number, _ in enumerate(columns)]
    first = [f"c{number}" for number, column in enumerate(columns) if column.name == sorted_by]
    order = ", ".join(f"{name} NULLS FIRST" for name in dict.fromkeys([*first, *names]))
    schema = pa.schema(
        [(column.name, pa.string()) for column in columns],
        metadata={COLUMNS_KEY: json.dumps([[column.name, column.kind, column.type] for column in columns])},
    )
    digest = _RowsDigest(columns)
    with (
        pa.OSFile(str(unsorted)) as stream,
        pa.ipc.open_stream(stream) as rows,
        _private(path) as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        connection.register("rows", rows)
        found = connection.sql(f"SELECT * FROM rows ORDER BY {order}").to_arrow_reader(_ROWS_AT_ONCE)  # noqa: S608 - our own names
        for group in _groups(found):
            texts = [column.cast(pa.string()) for column in group.columns]
            digest.update(texts)
            writer.write_batch(pa.record_batch(texts, schema=schema), group.num_rows)
    return digest.hexdigest(), digest.count


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of *batches*, as many at once as belong into a group of the file."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if (
            sum(each.num_rows for each in group) >= _GROUP_ROWS
            or sum(each.nbytes for each in group) >= _GROUP_BYTES
        ):
            yield pa.concat_batches(group)
            group.clear()
    if group:
        yield pa.concat_batches(group)


class _RowsDigest:
    def __init__(self, columns: Sequence[QueryColumn]) -> None:
        self.count = 0
        self._columns = [[column.name, column.kind] for column in columns]
        self._texts = [hashlib.sha256() for _ in columns]
        self._lengths = [hashlib.sha256() for _ in columns]

    def update(self, columns: Sequence[Any]) -> None:
        """Add the next rows: an Arrow array of texts for each column."""
        from pyarrow import compute  # noqa: PLC0415 - an extra

        self.count += len(columns[0])
        for column, texts, lengths in zip(columns, self._texts, self._lengths, strict=True):
            filled = compute.fill_null(column, "")
            lengths.update(_items(compute.fill_null(compute.binary_length(column), -1)))
            texts.update(_texts(filled))

    def hexdigest(self) -> str:
        parts = [
            [*column, texts.hexdigest(), lengths.hexdigest()]
            for column, texts, lengths in zip(self._columns, self._texts, self._lengths, strict=True)
        ]
        return hashlib.sha256(
            json.dumps(["leanplum-sync rows", _FORMAT, self.count, parts], ensure_ascii=False).encode()
        ).hexdigest()


@contextmanager
def _private(path: Path) -> Iterator[Any]:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        yield file


# Source: the Arrow columnar format: a slice shares the buffers of its array, and begins at its offset.


def _items(numbers: Any) -> memoryview:
    """Return the bytes of 32-bit numbers without nulls."""
    size = 4
    return memoryview(numbers.buffers()[1])[numbers.offset * size : (numbers.offset + len(numbers)) * size]


def _texts(texts: Any) -> memoryview:
    """Return the bytes of all *texts*, which has no nulls."""
    _, offsets, data = texts.buffers()
    ends = memoryview(offsets).cast("i")
    first, last = ends[texts.offset], ends[texts.offset + len(texts)]
    return memoryview(data)[first:last] if last > first else memoryview(b"")
