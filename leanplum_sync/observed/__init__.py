"""Observed users on disk: what exportUser answered, who was asked for, and when."""

from leanplum_sync.observed.snapshot_entries import Entry, read
from leanplum_sync.observed.snapshot_pieces import TornFileError, plain_lines
from leanplum_sync.observed.snapshot_writer import SnapshotWriter

__all__ = [
    "Entry",
    "SnapshotWriter",
    "TornFileError",
    "plain_lines",
    "read",
]
