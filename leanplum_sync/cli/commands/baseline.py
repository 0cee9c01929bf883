"""``baseline``: what plans with ``--observed journal`` compare with."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.baseline import Head, UnusableError
from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.project import settings_here
from leanplum_sync.cli.shell import shortest
from leanplum_sync.clock import utc
from leanplum_sync.encryption import SealingKeys
from leanplum_sync.journal import read_journal
from leanplum_sync.library.baseline_here import baseline_of, is_kept
from leanplum_sync.render.values import amount, in_words
from leanplum_sync.staging.prints import name_of


@click.command("baseline", cls=Command)
@click.option(
    "--rotate",
    is_flag=True,
    help="Discard the baseline with its key; the next one gets a new key. Default: only show it.",
)
@in_project
def command(console: Console, *, rotate: bool) -> None:
    """
    Show the baseline that plans use with --observed journal, or discard it.

    The baseline has a keyed hash of each user's managed values, as they were last read or written. Without it, the next plan with
    --observed journal reads all listed users, and makes a new one.
    """
    settings = settings_here()
    baseline, name = baseline_of(settings), shortest(settings.baseline)
    if not is_kept(settings):
        console.document("There is no baseline.")
        return
    if rotate:
        baseline.forget()
        console.document("The baseline was discarded with its key. The next one will have a new key.")
        return
    try:
        baseline.fetch()
        if not baseline.exists:
            console.document("There is no baseline.")
            return
        with read_journal(settings.journal, keys=SealingKeys()) as journal:
            console.document(_shown(baseline.head(journal), name))
    except UnusableError as error:
        console.document(f"The baseline {name} is not used: {error}.")


def _shown(head: Head, name: str | Path) -> str:
    fields = in_words(list(dict.fromkeys(map(name_of, head.fields))), "and")
    return (
        f"The baseline {name} has {amount(head.users, 'user')}, and was last updated at {utc(int(head.made_at))}.\n"
        f"It shows whether these are as desired: {fields}."
    )
