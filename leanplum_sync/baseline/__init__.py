"""
The baseline: a print of each managed field of each user, as it was last read or written.

A plan can assume that a user still has these values, instead of reading the user. Nothing is ever written on such an assumption:
users who would change are read first. So a wrong baseline can only hide a change that somebody else made.
"""

from __future__ import annotations

from leanplum_sync.baseline.baseline import Baseline, KnowsWrites, Read
from leanplum_sync.baseline.folder import Folder, Head, Owner, UnusableError, new_key
from leanplum_sync.baseline.shared import Shared
from leanplum_sync.baseline.writes import line_of

__all__ = [
    "Baseline",
    "Folder",
    "Head",
    "KnowsWrites",
    "Owner",
    "Read",
    "Shared",
    "UnusableError",
    "line_of",
    "new_key",
]
