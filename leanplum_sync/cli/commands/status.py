"""``status``: recent runs, locks and held sends."""

from __future__ import annotations

import click

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_options
from leanplum_sync.cli.project import settings_here
from leanplum_sync.cli.shell import shortest
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.database import describe
from leanplum_sync.journal.entry import DeliveryState
from leanplum_sync.library.journal_here import lapse_here
from leanplum_sync.library.kept_files import only_here
from leanplum_sync.render.html.pages import status_html
from leanplum_sync.render.status import Status, status_json, status_markdown, status_text

_RUNS = 10


@click.command("status", cls=Command)
@output_options("text", "json", "markdown", "html")
@in_project
def command(console: Console) -> None:
    """
    Show the latest runs, the running processes, and the held sends.

    With -e, show only the runs of that environment.
    """
    settings = settings_here()
    with read_journal(settings.journal) as journal:
        status = Status(
            journal=describe(shortest(settings.journal)),
            now=SystemClock().now(),
            locks=journal.locks(),
            runs=journal.runs(environment=remembered("environment"))[:_RUNS],
            held=tuple(journal.deliveries(states=(DeliveryState.HELD,))),
        )
    if lapse := lapse_here(settings):
        console.complain(lapse)
    if note := only_here(settings):
        console.say(note)
    deliver(
        console,
        text=lambda page: status_text(status, page),
        json=lambda: status_json(status),
        markdown=lambda limit: status_markdown(status, limit),
        html=lambda: status_html(status),
    )
