"""``--set NAME=VALUE``: values of parameters of queries."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from leanplum_sync.clock import SystemClock
from leanplum_sync.operations.read_rows import Reading
from leanplum_sync.progress import Progress


class _ParameterType(click.ParamType[tuple[str, str]]):
    name = "parameter"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is not NAME=VALUE, such as since=2026-11-01.", param, ctx)
        return name, text


set_option: Final = click.option(
    "--set",
    "given",
    type=_ParameterType(),
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of a parameter of queries, instead of the one in the spec; may be repeated. Default: those of the specs.",
)


def reading_of(
    given: tuple[tuple[str, str], ...], progress: Progress, max_age_seconds: float | None = None
) -> Reading:
    return Reading(os.environ, SystemClock(), progress, dict(given), max_age_seconds)
