"""Iceberg tables, through pyiceberg, from the files below a folder. No catalog is asked."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn

import obstore
import pyarrow as pa
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import ValidationError
from pyiceberg.io import FileIO, InputFile, OutputFile
from pyiceberg.io.pyarrow import ArrowScan, _read_all_delete_files, schema_to_pyarrow
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import DataScan, StaticTable

from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import QueryError

_FOLDER: Final = "metadata"
_HINT: Final = "version-hint.text"
# Source: the Iceberg table specification, "File System Tables" (v7.metadata.json) and "Metastore Tables" (00007-UUID.metadata.json).
_METADATA: Final = re.compile(r"v?(\d+)(?:-[^/]*)?(?:\.gz)?\.metadata\.json(?:\.gz)?")
_MOST_METADATA: Final = 100_000
_OTHER_NAMES: Final = (  # of the schemes that writers give to the same store
    (re.compile("^s3[an]://"), "s3://"),
    (re.compile("^gcs://"), "gs://"),
    (re.compile("^(?:abfss?|wasbs?)://([^@/]+)@[^/]+/"), r"az://\1/"),
    (re.compile("^(?:file:)?/+"), "file:///"),
)


def opened(store: Any, url: str, path: str, snapshot: int | None) -> IcebergTable:
    """
    Open the table in the folder *path* of *store*, whose address is *url*; or the one of a metadata file.

    *snapshot* None is the current one. Errors of the store are obstore's own.

    Raises:
        QueryError: there is no table, or it can't be read.
    """
    files = _Files(store, url)
    location = interruptible(partial(_latest_metadata, store, path))
    with _refusing():
        metadata = interruptible(partial(FromInputFile.table_metadata, _File(store, location)))
    table = StaticTable(("table",), metadata, location, files, NoopCatalog("none"))
    wanted = snapshot if snapshot is not None else metadata.current_snapshot_id
    if snapshot is not None and metadata.snapshot_by_id(snapshot) is None:
        raise QueryError(f"the table has no snapshot {snapshot}", "It may have expired. Choose a later one.")
    return IcebergTable(table.scan(snapshot_id=wanted), wanted)


@dataclass(frozen=True, slots=True)
class IcebergTable:
    scan: DataScan
    snapshot: int | None

    @property
    def version(self) -> str:
        return "no snapshot" if self.snapshot is None else f"snapshot {self.snapshot}"

    @property
    def schema(self) -> pa.Schema:
        return schema_to_pyarrow(self.scan.projection(), include_field_ids=False)

    def batches(self) -> Iterator[pa.RecordBatch]:
        with _refusing():
            tasks = interruptible(lambda: list(self.scan.plan_files()))
            deletes = interruptible(partial(_read_all_delete_files, self.scan.io, tasks))
            arrow = ArrowScan(
                self.scan.table_metadata, self.scan.io, self.scan.projection(), self.scan.row_filter
            )
            # to_record_batches holds whole data files, and several at once.
            found = arrow._record_batches_from_scan_tasks_and_deletes(tasks, deletes)  # noqa: SLF001 - as above
            while (batch := interruptible(partial(next, found, None))) is not None:
                yield batch


@contextmanager
def _refusing() -> Iterator[None]:
    """Errors that tell that the table can't be read at all. Their messages may name files, and values of partitions."""
    try:
        yield
    except (
        ValidationError,
        ValueError,
        NotImplementedError,
        pa.ArrowInvalid,
        LookupError,
        TypeError,
    ) as error:
        if "equality delete" in str(error).lower():
            raise QueryError(
                "the table has equality deletes, which can't be read",
                "Compact it, or let its writer use position deletes.",
            ) from None
        raise QueryError(
            "the table can't be read: it is damaged, or uses a feature of Iceberg that is not supported",
            "Check that another reader can read it, or export it as Parquet.",
        ) from None


def _latest_metadata(store: Any, path: str) -> str:
    if path.endswith(".metadata.json"):
        return path
    folder = f"{path.rstrip('/')}/{_FOLDER}"
    names = [
        str(meta["path"]).rpartition("/")[2] for chunk in obstore.list(store, f"{folder}/") for meta in chunk
    ]
    numbered = [(int(match[1]), name) for name in names if (match := _METADATA.fullmatch(name))]
    if not numbered:
        raise QueryError(
            "there is no Iceberg table at this path", "The path is that of the folder with `metadata`."
        )
    last = max(number for number, _ in numbered)
    if _HINT in names:
        told = bytes(obstore.get(store, f"{folder}/{_HINT}").bytes()).decode(errors="replace").strip()
        last = int(told) if told.isdecimal() else last
    found = [name for number, name in numbered if number == last]
    if len(found) != 1:
        raise QueryError(
            f"the table has {len(found)} metadata files with the number {last}",
            "Only its catalog knows the right one. Write the path of that file.",
        )
    return f"{folder}/{found[0]}"


class _Stream(io.RawIOBase):
    def __init__(self, store: Any, path: str) -> None:
        super().__init__()
        self._reader = obstore.open_reader(store, path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._reader.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        found = memoryview(self._reader.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)


class _File(InputFile):
    """A file of the store, by its path there."""

    def __init__(self, store: Any, path: str) -> None:
        super().__init__(path)
        self._store = store

    def __len__(self) -> int:
        size: int = obstore.head(self._store, self.location)["size"]
        return size

    def exists(self) -> bool:
        try:
            len(self)
        except FileNotFoundError:
            return False
        return True

    def open(self, seekable: bool = True) -> Any:  # noqa: ARG002, FBT001, FBT002 - pyiceberg's signature
        return io.BufferedReader(_Stream(self._store, self.location), 1 << 20)


class _Files(FileIO):
    """
    Reads files by the addresses that a table's metadata gives them, through the connection's own store.

    What is not below the connection's URL is refused: otherwise a table's metadata could name any file.
    """

    def __init__(self, store: Any, url: str) -> None:
        super().__init__({})
        self._store = store
        self._url = _normal(url).rstrip("/") + "/"

    def new_input(self, location: str) -> InputFile:
        address = _normal(location)
        path = address.removeprefix(self._url)
        if path == address or ".." in path.split("/"):
            raise QueryError(
                "the table has files that are not below the connection's URL",
                "Iceberg tables name their files by full address. Let the connection's URL be a folder above all of them.",
            )
        return _File(self._store, path)

    def new_output(self, location: str) -> OutputFile:
        self._refuse(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        self._refuse(location)

    def _refuse(self, _location: object) -> NoReturn:
        raise AssertionError("tables are only read")


def _normal(address: str) -> str:
    for pattern, replacement in _OTHER_NAMES:
        address = pattern.sub(replacement, address)
    return address
