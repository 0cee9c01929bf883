"""A journal on either backend, and a run in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clocks import Clock
from journals import Location, begin

from leanplum_sync.journal import open_journal
from leanplum_sync.journal.lock import Lease
from leanplum_sync.journal.run import RunJournal
from leanplum_sync.journal.writer import Journal


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(journal_location: Path) -> Path:
    return journal_location


@pytest.fixture
def journal(journal_location: Location, clock: Clock) -> Iterator[Journal]:
    with open_journal(journal_location, clock=clock) as found:
        yield found


@pytest.fixture
def lease(journal: Journal) -> Iterator[Lease]:
    with journal.acquire("app", "sandbox", heartbeat=False) as found:
        yield found


@pytest.fixture
def run(journal: Journal, lease: Lease) -> RunJournal:
    return begin(journal, lease)
