"""Data files to rows: streamed in file order, every unreadable row reported, none of their values shown."""

from __future__ import annotations

from leanplum_sync.kinds.rows.row import Row, RowError
from leanplum_sync.sources.header import Header
from leanplum_sync.sources.opening import SourceError, file_digest
from leanplum_sync.sources.reading import header, rows

__all__ = ["Header", "Row", "RowError", "SourceError", "file_digest", "header", "rows"]
