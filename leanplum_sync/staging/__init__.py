"""
Where rows of all resources and the observed users come together, subject by subject, in memory that doesn't grow.

CSV files go straight into tables, and what can be told there column by column (bad cells, users who are as desired) is told by
DuckDB, on disk and under a memory limit. What can't be goes on to Python: a subject too many costs time, one too few would be lost.
"""

from __future__ import annotations

from leanplum_sync.staging.database import LEAST_MEMORY_MB, MEMORY_LIMIT_MB
from leanplum_sync.staging.staging import Met, StagedRow, Staging

__all__ = ["LEAST_MEMORY_MB", "MEMORY_LIMIT_MB", "Met", "StagedRow", "Staging"]
