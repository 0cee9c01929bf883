"""Kinds of resources: one module a kind, listed in ``registry``. What all kinds share is in ``rows``."""

from __future__ import annotations

from leanplum_sync.kinds.kind import Kind, Resource
from leanplum_sync.kinds.rows.row import Row, RowError
from leanplum_sync.kinds.rows.source import DataSource, FileSource, InlineSource, NeededColumn

__all__ = [
    "DataSource",
    "FileSource",
    "InlineSource",
    "Kind",
    "NeededColumn",
    "Resource",
    "Row",
    "RowError",
]
