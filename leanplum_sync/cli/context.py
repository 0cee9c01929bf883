"""Stores the shared options, which may be given before or after the command."""

from __future__ import annotations

from typing import Any, Final

import click

PREFIX: Final = "LEANPLUM_SYNC"
_META: Final = "leanplum_sync.cli."
EVENTS: Final = f"{_META}events"  # where a command's stream of events is kept, if it has one


def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep a value given before the command, unless one is given after it."""
    if value:
        ctx.meta[f"{_META}{param.name}"] = value


def remembered(name: str) -> Any:
    ctx = click.get_current_context(silent=True)
    return ctx.meta.get(_META + name) if ctx else None
