"""``emulator``: the Leanplum API on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, with_console
from leanplum_sync.cli.options.basic import file_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.emulator import APP_ID, KEYS, EmulatorError, serve


@click.command("emulator", cls=Command)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8123,
    metavar="N",
    help="TCP port; 0 chooses a free one. Default: 8123.",
)
@file_option("--state", help="Save users and counts to FILE. Default: keep them in memory only.")
@file_option(
    "--seed",
    exists=True,
    multiple=True,
    help="An NDJSON file of users and messages to start with; may be repeated. Default: none.",
)
@click.option(
    "--faults",
    metavar="FILE|TEXT",
    default="",
    help="Faults to inject, from a FILE or as TEXT such as latency:seconds=0.5. Default: none.",
)
@with_console
def command(console: Console, *, port: int, state: Path | None, seed: tuple[Path, ...], faults: str) -> None:
    """
    Serve the Leanplum API on this machine, for dry runs.

    It prints the environment variables that point leanplum-sync, or another client, at the emulator. It
    runs until you press Ctrl-C.
    """
    try:
        serve(port=port, on_ready=lambda url: _announce(console, url), state=state, seeds=seed, faults=faults)
    except EmulatorError as error:
        raise click.UsageError(str(error)) from error


def _announce(console: Console, url: str) -> None:
    keys = {f"LEANPLUM_{name.upper()}_KEY": key for name, key in KEYS.items()}
    variables = {"LEANPLUM_API_URL": url, "LEANPLUM_APP_ID": APP_ID, **keys}
    console.document("".join(f"export {name}={value}\n" for name, value in variables.items()))
    console.say(f"\nThe emulator is running at {url}. It touches nothing real. Press Ctrl-C to stop it.")
