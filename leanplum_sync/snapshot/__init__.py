"""Observed users on disk: what exportUser answered, who was asked for, and when."""

from leanplum_sync.snapshot.entries import Entry, read
from leanplum_sync.snapshot.pieces import TornFileError, plain_lines
from leanplum_sync.snapshot.pull import Failure, PullReport, pull
from leanplum_sync.snapshot.writer import SnapshotWriter

__all__ = [
    "Entry",
    "Failure",
    "PullReport",
    "SnapshotWriter",
    "TornFileError",
    "plain_lines",
    "pull",
    "read",
]
