"""The argument RUN."""

from __future__ import annotations

from typing import Final

import click

from leanplum_sync.journal.entry import RunEntry
from leanplum_sync.journal.reader import JournalReader

run_argument: Final = click.argument("run", metavar="RUN", type=click.IntRange(min=1))


def known_run(journal: JournalReader, number: int) -> RunEntry:
    """
    Raises:
        click.UsageError: there is no such run.
    """
    entry = journal.run(number)
    if entry is None:
        raise click.UsageError(f"The journal has no run {number}. `leanplum-sync status` lists the runs.")
    return entry


def latest_run(journal: JournalReader, environment: str) -> RunEntry:
    """
    Raises:
        click.UsageError: there is no run of *environment*.
    """
    entry = next(iter(journal.runs(environment=environment)), None)
    if entry is None:
        raise click.UsageError(f"The journal has no run of {environment}.")
    return entry
