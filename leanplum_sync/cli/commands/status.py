"""``status``: recent runs, locks and held sends."""

from __future__ import annotations

import datetime as dt
from typing import Final

import click

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import asked_for, deliver, output_options
from leanplum_sync.cli.project import project_file, settings_here, settings_of
from leanplum_sync.cli.shell import shortest
from leanplum_sync.clock import SystemClock
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.database import describe
from leanplum_sync.journal.entry import DeliveryState
from leanplum_sync.journal.ledger import read_ledger
from leanplum_sync.library.journal_here import lapse_here
from leanplum_sync.library.kept_files import only_here
from leanplum_sync.render.costs import cost_report, costs_json, costs_text
from leanplum_sync.render.html.pages import status_html
from leanplum_sync.render.status import Status, status_json, status_markdown, status_text
from leanplum_sync.specs import load_project

_RUNS = 10
_COST_FORMATS: Final = ("text", "json")


@click.command("status", cls=Command)
@click.option(
    "--costs",
    "shows_costs",
    is_flag=True,
    help="Show instead what commands cost this month, by day, command, and plan, with a forecast. As text or json.",
)
@output_options("text", "json", "markdown", "html")
@in_project
def command(console: Console, *, shows_costs: bool) -> None:
    """
    Show the latest runs, the running processes, and the held sends.

    With -e, show only the runs of that environment.
    """
    if shows_costs:
        _show_costs(console)
        return
    settings = settings_here()
    with read_journal(settings.journal) as journal:
        status = Status(
            journal=describe(shortest(settings.journal)),
            now=SystemClock().now(),
            locks=journal.locks(),
            runs=journal.runs(environment=remembered("environment"))[:_RUNS],
            erasures=journal.erasures(),
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


def _show_costs(console: Console) -> None:
    if any(output.format not in _COST_FORMATS for output in asked_for()):
        raise click.UsageError("--costs is shown as text or json only.")
    file = project_file()
    project = load_project(file)
    settings = settings_of(project, file.parent)
    now = SystemClock().now()
    this_month = dt.datetime.fromtimestamp(now, dt.UTC).date().replace(day=1)
    last_month = (this_month - dt.timedelta(days=1)).replace(day=1)
    began = dt.datetime.combine(this_month, dt.time(), dt.UTC).timestamp()
    only = remembered("environment")
    with read_ledger(settings.journal) as ledger:
        costs = ledger.costs(since=last_month.isoformat(), environment=only) if ledger else ()
        jobs = ledger.jobs(since=began, environment=only) if ledger else ()
    budgets = {
        name: environment.budget.billable_lookups_per_month
        for name, environment in project.environments.items()
    }
    report = cost_report(describe(shortest(settings.journal)), now, costs, jobs, budgets)
    deliver(console, text=lambda page: costs_text(report, page), json=lambda: costs_json(report))
