"""
The durable record of intents and outcomes. With it, a run that was killed, disconnected or started twice ends correctly.

``open_journal`` opens it for applying; ``read_journal`` opens it read-only and creates nothing. The database library is
imported only when one of them is called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from leanplum_sync.clock import Clock, SystemClock
from leanplum_sync.encryption import SealingKeys

if TYPE_CHECKING:
    from leanplum_sync.address import Subject
    from leanplum_sync.journal.reader import JournalReader
    from leanplum_sync.journal.writer import Journal
    from leanplum_sync.planner.known import JournalMark, Known, KnowsDeliveries, Position
    from leanplum_sync.wire.action import Action


def open_journal(
    location: str | Path,
    *,
    clock: Clock | None = None,
    keys: SealingKeys | None = None,
    memory: Path | None = None,
    as_it_is: bool = False,
) -> Journal:
    """
    Open the journal at *location*, a file or ``postgresql://...``, and create it if there is none.

    The journal is a context manager that closes it. Messages of the API are encrypted, and records signed, with *keys*, by
    default the keys of the process's environment. *memory* is the file that remembers the mark of a shared journal; a journal in a file has its own
    beside it. With *as_it_is*, a journal that is not the remembered one is opened too, and remembered once it is accepted, see
    ``Journal.accept``.

    Raises:
        CredentialError: the key in the environment is invalid.
        JournalCorruptError: it can't be read, a newer version wrote it, or it was altered or made without the key.
        JournalReplacedError: it is missing, older or another one, although the file beside it remembers one.
        JournalError: it can't be written, with the reason.
    """
    from leanplum_sync.journal.writer import Journal  # noqa: PLC0415 - the database library loads only when used

    return Journal(
        location, clock or SystemClock(), _or_of_environment(keys), memory=memory, as_it_is=as_it_is
    )


def read_journal(
    location: str | Path,
    *,
    keys: SealingKeys | None = None,
    memory: Path | None = None,
    is_checked: bool = True,
) -> AbstractContextManager[JournalReader]:
    """
    Open the journal at *location* read-only. One that doesn't exist reads as empty and is not created. *memory* is as for
    ``open_journal``. An altered journal is opened only if it is not to be *checked*: to list its faults.

    Raises:
        JournalCorruptError: it can't be read, a newer version wrote it, or it was altered or made without the key.
    """
    from leanplum_sync.journal.reader import JournalReader  # noqa: PLC0415 - as above

    return JournalReader(location, _or_of_environment(keys), memory, is_checked=is_checked)


def read_deliveries(
    location: str | Path, *, keys: SealingKeys | None = None
) -> AbstractContextManager[KnowsDeliveries]:
    """
    Open the journal at *location* for planning. One that doesn't exist is empty, and then no database library is imported.

    Raises:
        JournalCorruptError: it can't be read, a newer version wrote it, or it was altered or made without the key.
    """
    if "://" not in str(location) and not Path(location).exists():
        return nullcontext(_Nothing())
    return read_journal(location, keys=keys)


class _Nothing:
    def mark(self) -> JournalMark | None:
        return None

    def known(self, app: str, subjects: Sequence[Subject]) -> Mapping[Subject, Known]:  # noqa: ARG002 - the protocol's
        return {}

    def unsubscriptions(
        self,
        app: str,  # noqa: ARG002 - the protocol's
        subjects: Sequence[Subject],  # noqa: ARG002 - as above
    ) -> Mapping[Subject, Mapping[str, float]]:
        return {}

    def recipients(self, app: str, names: Sequence[str]) -> Mapping[str, int]:  # noqa: ARG002 - as above
        return {}

    def rejected_before(self, app: str, actions: Mapping[Subject, Sequence[Action]]) -> frozenset[Subject]:  # noqa: ARG002 - as above
        return frozenset()

    def last_run(self) -> int:
        return 0

    def position(self, app: str, read_since: float | None = None) -> Position:  # noqa: ARG002 - as above
        from leanplum_sync.planner.known import Position  # noqa: PLC0415 - only for planning

        return Position(0)

    def unsettled(self, app: str, settle_seconds: float, now: float) -> Mapping[Subject, float]:  # noqa: ARG002 - as above
        return {}


def _or_of_environment(keys: SealingKeys | None) -> SealingKeys:
    return SealingKeys.from_environment(os.environ) if keys is None else keys
