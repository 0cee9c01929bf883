"""Observed users on disk: the requested subject, exportUser's answer, and when it was read."""

from leanplum_sync.observed.snapshot_entries import Entry, check_users, read
from leanplum_sync.observed.snapshot_pieces import OverBoundError, TornFileError, has_long_line, plain_lines
from leanplum_sync.observed.snapshot_writer import SnapshotWriter

__all__ = [
    "Entry",
    "OverBoundError",
    "SnapshotWriter",
    "TornFileError",
    "check_users",
    "has_long_line",
    "plain_lines",
    "read",
]
