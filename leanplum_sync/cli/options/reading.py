"""``--observed``: where users are read."""

from __future__ import annotations

from typing import Final

import click

LIVE: Final = "live"
observed_option = click.option(
    "--observed",
    default=LIVE,
    metavar="live|FILE",
    help="Read users live from the app, or from a snapshot FILE written by pull. Default: live.",
)
