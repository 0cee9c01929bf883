"""``show``: a plan, once more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from leanplum_sync.cli.console import Console
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.outputs import Output, deliver, output_option
from leanplum_sync.cli.verb import Verb, display_options, pass_console, plan_argument
from leanplum_sync.planfile import open_plan
from leanplum_sync.render.plan import plan_json, plan_text


@click.command("show", cls=Verb)
@plan_argument
@output_option
@display_options
@pass_console
def command(console: Console, plan: Path, output: Sequence[Output]) -> ExitCode:
    """Show the plan in the file PLAN, as `plan` did."""
    with open_plan(plan) as opened:
        deliver(console, output, text=lambda page: plan_text(opened, page), json=lambda: plan_json(opened))
    return ExitCode.OK
