"""``schema``: the spec language as JSON Schema."""

from __future__ import annotations

import json

import click

from leanplum_sync.cli.console import Console
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.verb import Verb, display_options, pass_console
from leanplum_sync.spec import json_schema
from leanplum_sync.spec.check import MODELS


@click.command("schema", cls=Verb)
@click.argument("kind", metavar="[KIND]", required=False, type=click.Choice(list(MODELS)))
@display_options
@pass_console
def command(console: Console, kind: str | None) -> ExitCode:
    """
    Print the JSON Schema of specs, or of those of one KIND.

    Editors that know YAML complete and check specs by it.
    """
    console.document(json.dumps(json_schema(kind), indent=2))
    return ExitCode.OK
