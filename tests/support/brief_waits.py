"""
Shortens the waits before retries, of calls from 14 seconds to a tenth of one, and the settle window of an emulator.

For processes in which these waits are not what is tested. A forked child does it if its environment has the variable; a new
process calls `install` in a ``sitecustomize``.
"""

from __future__ import annotations

from typing import Final

from leanplum_sync.client import backoff
from leanplum_sync.library import connect
from leanplum_sync.operations import read_rows

VARIABLE: Final = "BRIEF_WAITS"


def install() -> None:
    backoff.FIRST_SECONDS = 0.014
    connect.EMULATOR_SETTLES_SECONDS = 0.02
    read_rows.WAIT_SECONDS = 0.01
