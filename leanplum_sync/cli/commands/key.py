"""``key``: a key for the values in plans and journals."""

from __future__ import annotations

import click

from leanplum_sync.cli.command import Command, display_options, pass_console
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.output.console import Console
from leanplum_sync.encryption import KEY_VARIABLE, new_key


@click.command("key", cls=Command)
@display_options
@pass_console
def command(console: Console) -> ExitCode:
    """
    Print a new key, which encrypts the values in plans and journals.

    Keep it as a secret, in the variable LEANPLUM_SYNC_PLAN_KEY. To change keys,
    put the new one before the old one, with a comma between them.
    """
    console.document(new_key())
    console.say(
        f"Keep it as a secret named {KEY_VARIABLE}; without it, what it encrypts can't be read again."
    )
    return ExitCode.OK
