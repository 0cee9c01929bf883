"""
Joins the rows of all resources with the observed users, subject by subject, in bounded memory.

CSV files are loaded straight into tables. DuckDB decides column by column, on disk and under a memory
limit, which cells are valid and which users are as desired. Everything it can't decide is passed to Python:
passing a subject unnecessarily costs time, but leaving one out would lose it.
"""

from __future__ import annotations

from leanplum_sync.staging.database import LEAST_MEMORY_MB, MEMORY_LIMIT_MB
from leanplum_sync.staging.staging import Met, StagedRow, Staging

__all__ = ["LEAST_MEMORY_MB", "MEMORY_LIMIT_MB", "Met", "StagedRow", "Staging"]
