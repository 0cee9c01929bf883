"""Advice on specs that are valid."""

from __future__ import annotations

from collections.abc import Iterable

from leanplum_sync.cli.output.console import Console
from leanplum_sync.problem import Problem, Remark
from leanplum_sync.render.values import escaped


def advise(remarks: Iterable[Problem | Remark], console: Console) -> None:
    for remark in remarks:
        console.say(escaped(f"Note: {remark}"))
