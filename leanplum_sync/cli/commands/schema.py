"""``schema``: the JSON Schema of specs and documents."""

from __future__ import annotations

import json

import click

from leanplum_sync.cli.command import Command, with_console
from leanplum_sync.cli.output.console import Console
from leanplum_sync.render.schemas import NAMES, document_schema
from leanplum_sync.specs import json_schema
from leanplum_sync.specs.check import MODELS


@click.command("schema", cls=Command)
@click.argument("kind", metavar="[KIND]", required=False, type=click.Choice([*MODELS, *NAMES]))
@with_console
def command(console: Console, kind: str | None) -> None:
    """
    Print the JSON Schema of all specs, of one KIND of spec, or of one document.

    Editors use the schema to complete and check specs. A document is the JSON output of a command (`-o
    json`); its name is the last part of its `format`. The document `event` is one line of `-o ndjson` or of a
    run's log.
    """
    schema = document_schema(kind) if kind in NAMES else json_schema(kind)
    console.document(json.dumps(schema, indent=2))
