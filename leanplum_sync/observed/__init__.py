"""Observed users on disk: the requested subject, exportUser's answer, and when it was read."""

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
