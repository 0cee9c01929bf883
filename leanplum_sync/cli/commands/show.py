"""``show``: shows a plan."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, plan_argument, with_console
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import all_groups_option, show_plan
from leanplum_sync.cli.output.outputs import output_options
from leanplum_sync.planfile import open_plan


@click.command("show", cls=Command)
@plan_argument
@all_groups_option
@output_options("text", "json", "markdown", "html")
@with_console
def command(console: Console, *, plan: Path, all_groups: bool) -> None:
    """Show the plan in the file PLAN, just as `plan` showed it."""
    with open_plan(plan) as opened:
        show_plan(opened, console, all_groups=all_groups)
