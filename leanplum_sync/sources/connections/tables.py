"""Tables in an object store: one version of a Delta or Iceberg table, with its columns and rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("delta", "iceberg")


class Table(Protocol):
    """
    An open table, at one version.

    Methods raise ``QueryError`` where the table can't be read at all, ``CredentialError`` where access is refused, and
    ``SourceUnreachableError`` where reading fails and may work if tried again.
    """

    @property
    def version(self) -> str:
        """What the format calls its version, such as ``snapshot 5872319``."""

    @property
    def schema(self) -> pa.Schema: ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of this version, in no certain order. Memory doesn't grow with their number."""
