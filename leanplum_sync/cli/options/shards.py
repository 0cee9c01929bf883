"""``--shard`` and ``--parts``: several processes at the same time, each with its part of the users."""

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
    help="Make batches that M processes can share: each applies one part with --shard N/M. Costs up to M more requests per"
    " kind of batch. Default: 1.",
)


def shard_option(what: str) -> Callable[[Decorated], Decorated]:
    return click.option("--shard", type=PartType(), metavar="N/M", help=what)


def own(path: Path, part: Part | None) -> Path:
    """Return *path*, or a path of its own for *part*, because parallel processes must not share files."""
    return path if part is None else path.with_name(f"{part.number}-of-{part.of}.{path.name}")


def part_of_plan(plan: PlanFile, shard: Part | None) -> tuple[PlanPart, str]:
    """
    Return the part to apply and the name of its lock: ``N/M``, or empty for all users.

    Raises:
        click.UsageError: the plan can't be divided this way.
    """
    only = plan.header.part
    if only is not None:
        if shard not in (None, only):
            raise click.UsageError(f"{quoted(plan.path)} can only be applied with --shard {only}.")
        return PlanPart(plan), str(only)
    if shard is None:
        return PlanPart(plan), ""
    if shard.cuts(plan.header.parts):
        raise click.UsageError(
            f"{quoted(plan.path)} can be shared by at most {plan.header.parts} processes: some batches have users inside and"
            f" outside of --shard {shard}. Plan with --parts {shard.of}."
        )
    return PlanPart(plan, shard), str(shard)
