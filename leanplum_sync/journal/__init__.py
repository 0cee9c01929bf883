"""
The record of intents and outcomes: what makes a run that was killed, cut off or started twice end like one that wasn't.

``open_journal`` gives the journal to those who apply; ``read_journal`` gives a reader that creates and changes nothing.
The database library is imported only when one of them is called.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.sealing import SealingKeys

if TYPE_CHECKING:
    from leanplum_sync.journal.reader import JournalReader
    from leanplum_sync.journal.writer import Journal


def open_journal(
    location: str | Path, *, clock: Clock | None = None, keys: SealingKeys | None = None
) -> Journal:
    """
    Open the journal at *location*, a file or ``postgresql://...``, and make it if there is none.

    The journal is a context manager; leaving it closes it. Sentences of the API are sealed with *keys*, by default those of
    the process's environment.

    Raises:
        CredentialError: the environment holds no sound key.
        JournalCorruptError: it can't be read, or a newer version wrote it.
        JournalError: it can't be written, with the reason.
    """
    from leanplum_sync.journal.writer import Journal  # noqa: PLC0415 - the database library loads only when used

    return Journal(location, clock or SystemClock(), _or_of_environment(keys))


def read_journal(
    location: str | Path, *, keys: SealingKeys | None = None
) -> AbstractContextManager[JournalReader]:
    """
    Open the journal at *location* to read it. One that doesn't exist reads as empty and isn't made.

    Raises:
        JournalCorruptError: it can't be read, or a newer version wrote it.
    """
    from leanplum_sync.journal.reader import JournalReader  # noqa: PLC0415 - as above

    return JournalReader(location, _or_of_environment(keys))


def _or_of_environment(keys: SealingKeys | None) -> SealingKeys:
    return SealingKeys.from_environment(os.environ) if keys is None else keys
