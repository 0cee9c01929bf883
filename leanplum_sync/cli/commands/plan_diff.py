"""``plan-diff``: compares two plans."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, with_console
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_options
from leanplum_sync.planfile import open_plan
from leanplum_sync.planner.differences import differences
from leanplum_sync.render.plan_diff import PlanDiff, plan_diff_json, plan_diff_markdown, plan_diff_text


@click.command("plan-diff", cls=Command)
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2, not 0, if the plans differ.")
@output_options("text", "json", "markdown")
@with_console
def command(console: Console, *, old: Path, new: Path, detailed_exitcode: bool) -> ExitCode:
    """
    Show the changes that are only in NEW and the changes that are only in OLD.

    OLD and NEW are plan files, such as the approved plan and a new one. Values are compared but not shown;
    `explain` shows the values of one user. The spec lines behind a change are not compared.
    """
    with open_plan(old) as was, open_plan(new) as now:
        diff = PlanDiff(was, now, differences(was.changes(), now.changes()))
        deliver(
            console,
            text=lambda page: plan_diff_text(diff, page),
            json=lambda: plan_diff_json(diff),
            markdown=lambda limit: plan_diff_markdown(diff, limit),
        )
    return ExitCode.CHANGES_PENDING if detailed_exitcode and not diff.is_empty else ExitCode.OK
