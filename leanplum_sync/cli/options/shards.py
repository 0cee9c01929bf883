"""``--shard`` and ``--parts``: several processes side by side, each with its part of the users."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from leanplum_sync.cli.command import Decorated
from leanplum_sync.cli.shell import quoted
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planfile.part import PlanPart
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
    help="Make batches that M processes can share: each applies a part, with --shard N/M. Costs up to M more requests for"
    " each kind of batch. Default: 1.",
)


def shard_option(what: str) -> Callable[[Decorated], Decorated]:
    return click.option("--shard", type=PartType(), metavar="N/M", help=what)


def own(path: Path, part: Part | None) -> Path:
    """Return *path*, or what stands in its place for *part*: processes side by side don't write one file."""
    return path if part is None else path.with_name(f"{part.number}-of-{part.of}.{path.name}")


def part_of_plan(plan: PlanFile, shard: Part | None) -> tuple[PlanPart, str]:
    """
    Return what to apply, and what to lock: ``N/M``, or nothing for everything.

    Raises:
        click.UsageError: the plan isn't divided so.
    """
    only = plan.header.part
    if only is not None:
        if shard not in (None, only):
            raise click.UsageError(f"{quoted(plan.path)} is a plan for --shard {only} alone.")
        return PlanPart(plan), str(only)
    if shard is None:
        return PlanPart(plan), ""
    if shard.cuts(plan.header.parts):
        raise click.UsageError(
            f"{quoted(plan.path)} is made for {plan.header.parts} at most to share, and its batches would cross the border of"
            f" --shard {shard}. Plan with --parts {shard.of}."
        )
    return PlanPart(plan, shard), str(shard)
