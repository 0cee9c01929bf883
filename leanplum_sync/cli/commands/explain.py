"""``explain``: what a plan does to one user, and why."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, in_project, plan_argument
from leanplum_sync.cli.options.basic import file_option
from leanplum_sync.cli.options.ids import subject_or_thing
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_option
from leanplum_sync.cli.project import settings_of, specs_here
from leanplum_sync.journal import read_journal
from leanplum_sync.operations.explain import explain
from leanplum_sync.operations.read_rows import with_rows
from leanplum_sync.planfile import open_plan
from leanplum_sync.render.explain import explained_json, explained_text
from leanplum_sync.render.plan_words import mask_for


@click.command("explain", cls=Command)
@plan_argument
@click.argument("user", metavar="USER")
@file_option(
    "--observed",
    exists=True,
    help="The snapshot that the plan was made from. Default: the snapshot of the latest plan.",
)
@output_option
@in_project
def command(console: Console, *, plan: Path, user: str, observed: Path | None) -> None:
    """
    Show what the plan in the file PLAN changes for USER, and the spec lines behind each change.

    USER is a userId, taken literally (00004 is not 4), device:ID, variable:NAME, channel:ID, or postback:VARIABLE. Exit code 64: neither the plan nor the
    specs list USER.
    """
    with open_plan(plan) as opened:
        environment = opened.header.target.environment
        loaded, project = specs_here(name=environment)
        settings = settings_of(project, loaded.root, environment)
        with read_journal(settings.journal) as journal:
            explained = explain(
                subject_or_thing(user),
                opened,
                with_rows(loaded, opened.rows()),
                snapshot=observed or settings.snapshot,
                journal=journal,
            )
        if not (explained.listed or explained.changes or explained.unread):
            raise click.UsageError(
                f"Neither the plan nor the specs list {user!r}. Ids are compared literally: 00004 is not 4."
            )
        target, mask, notes = opened.header.target, mask_for(opened), opened.notes()
        deliver(
            console,
            text=lambda page: explained_text(explained, target, mask, page, notes),
            json=lambda: explained_json(explained, target, mask),
        )
