"""Observed users on disk: the requested subject, exportUser's answer, and when it was read."""

from leanplum_sync.observed.snapshot_entries import Entry, check_users, read
from leanplum_sync.observed.snapshot_pieces import TornFileError, plain_lines
from leanplum_sync.observed.snapshot_writer import SnapshotWriter

__all__ = [
    "Entry",
    "SnapshotWriter",
    "TornFileError",
    "check_users",
    "plain_lines",
    "read",
]
