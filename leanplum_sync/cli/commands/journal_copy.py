"""``journal copy``: copies another journal into the project's."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from leanplum_sync.cli.command import Command, display_options, pass_console, project_options
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, deliver, output_option
from leanplum_sync.cli.project import settings_here
from leanplum_sync.cli.shell import shortest
from leanplum_sync.journal.copying import copy_journal
from leanplum_sync.journal.database import describe
from leanplum_sync.render.journal import copied_json, copied_text

_VARIABLE: Final = "env:"  # an address may hold a password, which must not be given on the command line


@click.command("copy", cls=Command)
@click.argument("source", metavar="FROM")
@output_option
@project_options
@display_options
@pass_console
def copy_command(console: Console, source: str, output: Sequence[Output]) -> ExitCode:
    """
    Copy the journal FROM into the project's.

    The project's journal must be empty. FROM is a file, or env:NAME for an address in the environment
    variable NAME. Either everything is copied or nothing is, and no run may be using FROM. FROM is left
    unchanged: archive it, so that nobody uses it again.
    """
    target = settings_here().journal
    counts = copy_journal(_location(source, os.environ), target)
    names = source if source.startswith(_VARIABLE) else describe(shortest(Path(source))), describe(target)
    deliver(
        console,
        output,
        text=lambda page: copied_text(counts, names[1], page),
        json=lambda: copied_json(counts, *names),
    )
    console.say(f"From now on, use only the new journal. Archive {source}, so that nobody uses it again.")
    return ExitCode.OK


def _location(source: str, environ: Mapping[str, str]) -> str | Path:
    if not source.startswith(_VARIABLE):
        if "://" in source:
            raise click.UsageError(
                "An address may hold a password: put it into an environment variable and pass env:NAME."
            )
        return Path(source)
    name = source.removeprefix(_VARIABLE)
    if not environ.get(name):
        raise click.UsageError(f"The variable {name} is not set.")
    return environ[name]
