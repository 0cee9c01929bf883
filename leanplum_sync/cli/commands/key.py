"""``key``: generates a key for the values in plans and journals."""

from __future__ import annotations

import click

from leanplum_sync.cli.command import Command, with_console
from leanplum_sync.cli.output.console import Console
from leanplum_sync.encryption import KEY_VARIABLE, new_key


@click.command("key", cls=Command)
@with_console
def command(console: Console) -> None:
    """
    Print a new key for encrypting the values in plans and journals.

    Store the key as a secret in the variable LEANPLUM_SYNC_PLAN_KEY. To rotate keys, put the new key before
    the old one, separated by a comma.
    """
    console.document(new_key())
    console.say(f"Store it as a secret named {KEY_VARIABLE}. Without it, encrypted values can't be read.")
