"""Parts of a plan, which several processes carry out side by side."""

from __future__ import annotations

from pathlib import Path

from leanplum_sync.errors import UsageError
from leanplum_sync.planfile import PlanFile
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.planner.parts import Part


def own(path: Path, part: Part | None) -> Path:
    """Return *path*, or a name beside it for *part*: processes side by side don't write the same file."""
    return path if part is None else path.with_name(f"{part.number}-of-{part.of}.{path.name}")


def part_of_plan(plan: PlanFile, shard: Part | None) -> tuple[PlanPart, str]:
    """
    Return what to apply, and the name of the lock: ``N/M``, or nothing for the whole plan.

    Raises:
        UsageError: the plan isn't divided like that.
    """
    only = plan.header.part
    if only is not None:
        if shard not in (None, only):
            raise UsageError(f"{plan.path} can only be applied with --shard {only}.")
        return PlanPart(plan), str(only)
    if shard is None:
        return PlanPart(plan), ""
    if shard.cuts(plan.header.parts):
        raise UsageError(
            f"{plan.path} can be split among at most {plan.header.parts} processes: some batches have users both inside and outside of --shard {shard}. Plan with --parts {shard.of}."
        )
    return PlanPart(plan, shard), str(shard)
