"""Delta tables, through deltalake, which reads the store itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import pyarrow as pa
from deltalake import DeltaTable as Opened
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from leanplum_sync.sources.connections import endpoints, store_errors
from leanplum_sync.sources.connections.interrupting import interruptible
from leanplum_sync.sources.connections.reader import QueryError

T = TypeVar("T")

# Source: object_store's ClientOptions and RetryConfig, whose names deltalake takes.
_CLIENT: Final = {"timeout": "60s", "connect_timeout": "10s", "max_retries": "2", "retry_timeout": "30s"}
# deltalake has one error for all of these, and tells them apart by its message only.
_NO_TABLE: Final = re.compile(
    r"[Nn]o files in log segment|[Nn]ot a Delta table|No snapshot or version 0 found"
)
_NO_VERSION: Final = re.compile(r"end version \d+ not the same|[Ii]nvalid table version|[Mm]issing version")
_UNSUPPORTED: Final = re.compile(r"[Uu]nsupported|not supported|[Uu]nknown TableFeature")


def opened(name: str, address: str, options: Mapping[str, str], version: int | None) -> DeltaTable:
    """Open the table at *address* for the connection *name*. *version* None is the latest. Errors: ``Table``."""
    plain = {"allow_http": "true"} if endpoints.is_plain(options) else {}
    storage = {} if address.startswith("file:") else {**_CLIENT, **plain, **options}
    open_ = partial(Opened, address, version=version, storage_options=storage)
    return DeltaTable(name, _call(name, version, open_))


@dataclass(frozen=True, slots=True)
class DeltaTable:
    name: str
    table: Any

    @property
    def version(self) -> str:
        return f"version {self.table.version()}"

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(self.table.schema().to_arrow())

    def batches(self) -> Iterator[pa.RecordBatch]:
        names = self.schema.names
        stream = _call(self.name, None, lambda: pa.RecordBatchReader.from_stream(self.table.scan(names)))
        while (batch := _call(self.name, None, partial(next, stream, None))) is not None:
            yield batch


def _call(name: str, version: int | None, call: Callable[[], T]) -> T:
    try:
        found: T = interruptible(call)
    except (DeltaError, OSError, ValueError, RuntimeError, pa.ArrowException) as error:
        raise _failure(name, version, error) from None
    return found


def _failure(name: str, version: int | None, error: Exception) -> Exception:
    message = str(error)
    if told := store_errors.failure_told(name, message):
        return told
    if version is not None and _NO_VERSION.search(message):
        return QueryError(
            f"the table has no version {version}", "It may have been removed. Choose a later one."
        )
    if isinstance(error, TableNotFoundError) or _NO_TABLE.search(message):
        return QueryError(
            "there is no Delta table at this path", "The path is that of the folder with `_delta_log`."
        )
    if isinstance(error, DeltaProtocolError) or _UNSUPPORTED.search(message):
        return QueryError(
            "the table uses a feature of Delta that can't be read",
            "Export it as Parquet, or turn the feature off.",
        )
    return store_errors.unreachable(name, "the table can't be read, or its store failed")
