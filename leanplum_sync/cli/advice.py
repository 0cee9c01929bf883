"""Advice on specs that are valid."""

from __future__ import annotations

from collections.abc import Iterable

from leanplum_sync.cli.output.console import Console
from leanplum_sync.problem import Problem
from leanplum_sync.render.values import escaped


def advise(notes: Iterable[Problem], console: Console) -> None:
    for note in notes:
        console.say(escaped(f"Note: {note}"))
