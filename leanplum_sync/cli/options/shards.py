"""``--shard`` and ``--parts``: several processes at the same time, each with its part of the users."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from leanplum_sync.cli.command import Decorated
from leanplum_sync.planner.parts import SHARDS, Part


class PartType(click.ParamType[Part]):
    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Part:
        if isinstance(value, Part):
            return value
        try:
            return Part.parse(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


parts_option = click.option(
    "--parts",
    type=click.IntRange(1, SHARDS),
    default=1,
    metavar="M",
    help="Split the plan into M parts, so that M processes can apply one part each with --shard N/M. Adds up to M requests per kind of batch. Default: 1.",
)


def shard_option(what: str) -> Callable[[Decorated], Decorated]:
    return click.option("--shard", type=PartType(), metavar="N/M", help=what)
