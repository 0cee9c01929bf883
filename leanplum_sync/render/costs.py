"""What commands cost in a month: by day, by command, and by plan, with a forecast."""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.render.documents import (
    CommandCostEntry,
    CostsDocument,
    DayCostEntry,
    EnvironmentCostsEntry,
    PlanCostEntry,
    entry,
    written,
)
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, FAINT, faint, grid, heading, paint
from leanplum_sync.render.values import cut, escaped, timestamp

if TYPE_CHECKING:
    from leanplum_sync.journal.ledger import Cost, ExportJob

NOTHING: Final = "No costs recorded yet: no command has used billable lookups with this journal."
_MEAN_DAYS: Final = 28
_PLANS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Sum:
    reads: int = 0
    writes: int = 0

    @property
    def total(self) -> int:
        return self.reads + self.writes


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What one plan cost: making it, and applying it. *run* is the run that applied it, None if none did in this month."""

    plan_digest: str
    run: int | None
    day: str
    cost: Sum


@dataclass(frozen=True, slots=True)
class EnvironmentCosts:
    """
    The *month* so far. *forecast* is for its end. *budget* is ``billableLookupsPerMonth``, None for no limit. *times* counts
    commands by name. *jobs* counts each day's exportUsers jobs that did not fail.
    """

    environment: str
    cost: Sum
    forecast: int
    budget: int | None
    days: Mapping[str, Sum]
    jobs: Mapping[str, int]
    commands: Mapping[str, Sum]
    times: Mapping[str, int]
    plans: Sequence[PlanCost]


@dataclass(frozen=True, slots=True)
class CostReport:
    """*month* is such as ``2026-11``, of UTC. *now* is when this was read, in epoch seconds."""

    journal: str
    now: float
    month: str
    environments: Sequence[EnvironmentCosts]


def cost_report(
    journal: str,
    now: float,
    costs: Sequence[Cost],
    jobs: Sequence[ExportJob],
    budgets: Mapping[str, int | None],
) -> CostReport:
    """
    Add up *costs* of this month and the last, and export *jobs* of this month. *budgets* are by environment.

    Environments are in order of their names; those without costs are left out.
    """
    today = _day(now)
    month = today.isoformat()[:7]
    names = sorted({cost.environment for cost in costs} | {job.environment for job in jobs})
    found = [
        _of_environment(
            name,
            today,
            [cost for cost in costs if cost.environment == name],
            [job for job in jobs if job.environment == name and _day(job.asked_at).isoformat()[:7] == month],
            budgets.get(name),
        )
        for name in names
    ]
    return CostReport(journal, now, month, found)


def _of_environment(
    name: str, today: dt.date, costs: Sequence[Cost], jobs: Sequence[ExportJob], budget: int | None
) -> EnvironmentCosts:
    month = today.isoformat()[:7]
    of_month = [cost for cost in costs if cost.day.startswith(month)]
    by_day: Mapping[str, Iterable[Cost]] = _groups(of_month, "day")
    by_command = _groups(of_month, "command")
    counted = [_day(job.asked_at).isoformat() for job in jobs if job.state.counts]
    spent = _sum(of_month)
    return EnvironmentCosts(
        environment=name,
        cost=spent,
        forecast=spent.total + _rest_of_month(today, costs),
        budget=budget,
        days={day: _sum(by_day[day]) for day in sorted(by_day)},
        jobs={day: counted.count(day) for day in sorted(set(counted))},
        commands={command: _sum(by_command[command]) for command in sorted(by_command)},
        times={
            command: len({cost.command_id for cost in of_command})
            for command, of_command in by_command.items()
        },
        plans=_plans(of_month),
    )


def _rest_of_month(today: dt.date, costs: Sequence[Cost]) -> int:
    """Return the forecast for the days after today: each costs the mean of the last 28 days, or of those since the first cost."""
    since = (today - dt.timedelta(days=_MEAN_DAYS - 1)).isoformat()
    recent = [cost for cost in costs if since <= cost.day <= today.isoformat()]
    if not recent:
        return 0
    first = dt.date.fromisoformat(min(cost.day for cost in recent))
    days = (today - first).days + 1
    left = calendar.monthrange(today.year, today.month)[1] - today.day
    return -(-_sum(recent).total * left // days)  # rounded up


def _plans(costs: Sequence[Cost]) -> Sequence[PlanCost]:
    """Return the plans, the latest first."""
    groups = _groups([cost for cost in costs if cost.plan_digest is not None], "plan_digest")
    found = []
    for digest, of_plan in groups.items():
        runs = [cost.run for cost in of_plan if cost.command == "apply" and cost.run is not None]
        found.append(
            (
                max(cost.noted_at for cost in of_plan),
                PlanCost(digest, max(runs, default=None), max(cost.day for cost in of_plan), _sum(of_plan)),
            )
        )
    return [plan for _, plan in sorted(found, key=lambda each: -each[0])]


def _groups(costs: Iterable[Cost], name: str) -> Mapping[str, Sequence[Cost]]:
    groups = defaultdict(list)
    for cost in costs:
        groups[getattr(cost, name)].append(cost)
    return groups


def _sum(costs: Iterable[Cost]) -> Sum:
    found = list(costs)
    return Sum(sum(cost.read_lookups for cost in found), sum(cost.write_lookups for cost in found))


def _day(seconds: float) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()


def costs_text(report: CostReport, page: Page) -> str:
    if not report.environments:
        return paint([Text(NOTHING)], page)
    lines: list[RenderableType] = []
    for found in report.environments:
        lines += [*_text_of(found, report), BLANK]
    return paint(lines, page)


def _text_of(found: EnvironmentCosts, report: CostReport) -> list[RenderableType]:
    month = dt.date.fromisoformat(f"{report.month}-01").strftime("%B %Y")
    head: list[tuple[Text, ...]] = [
        (Text(f"{found.cost.total:,}"), faint("billable lookups so far")),
        (Text(f"{found.forecast:,}"), faint("forecast for the whole month")),
    ]
    if found.budget is not None:
        is_over = found.forecast > found.budget
        head.append(
            (
                Text(f"{found.budget:,}", BAD if is_over else ""),
                Text(
                    "budget (billableLookupsPerMonth): the forecast is over it"
                    if is_over
                    else "budget (billableLookupsPerMonth)",
                    BAD if is_over else FAINT,
                ),
            )
        )
    days = [
        (
            Text(day),
            *_cells(found.days.get(day, Sum())),
            Text(str(found.jobs[day]) if day in found.jobs else "-"),
        )
        for day in sorted({*found.days, *found.jobs})
    ]
    commands = [
        (Text(command), Text(f"{found.times[command]:,}"), *_cells(cost))
        for command, cost in found.commands.items()
    ]
    lines: list[RenderableType] = [
        heading(f"{cut(escaped(found.environment))}, {month} (UTC)"),
        grid(head, right=(0,)),
        BLANK,
        grid([_header("day", "reading", "writing", "lookups", "export jobs"), *days], right=(1, 2, 3)),
    ]
    if commands:
        header = _header("command", "times", "reading", "writing", "lookups")
        lines += [BLANK, grid([header, *commands], right=(1, 2, 3))]
    if found.plans:
        rows = [
            (
                Text(plan.plan_digest[:12]),
                Text("-" if plan.run is None else str(plan.run)),
                *_cells(plan.cost),
                faint(plan.day),
            )
            for plan in found.plans[:_PLANS_SHOWN]
        ]
        lines += [
            BLANK,
            grid(
                [_header("plan", "run", "reading", "writing", "lookups", "last day"), *rows],
                right=(1, 2, 3, 4),
            ),
        ]
        if left := len(found.plans) - _PLANS_SHOWN:
            lines += [faint(f"  and {left} earlier; -o json lists all")] if left > 0 else []
    return lines


def _header(*names: str) -> tuple[Text, ...]:
    return tuple(map(faint, names))


def _cells(cost: Sum) -> tuple[Text, Text, Text]:
    return Text(f"{cost.reads:,}"), Text(f"{cost.writes:,}"), Text(f"{cost.total:,}")


def costs_json(report: CostReport) -> str:
    return written(
        CostsDocument(
            journal=report.journal,
            read_at=timestamp(report.now),
            month=report.month,
            environments=tuple(map(_entry, report.environments)),
        )
    )


def _entry(found: EnvironmentCosts) -> EnvironmentCostsEntry:
    return EnvironmentCostsEntry(
        environment=found.environment,
        reads=found.cost.reads,
        writes=found.cost.writes,
        lookups=found.cost.total,
        forecast=found.forecast,
        budget=found.budget,
        is_over=found.budget is not None and found.forecast > found.budget,
        days=tuple(
            entry(
                DayCostEntry,
                (cost := found.days.get(day, Sum())),
                day=day,
                lookups=cost.total,
                export_jobs=found.jobs.get(day, 0),
            )
            for day in sorted({*found.days, *found.jobs})
        ),
        commands=tuple(
            entry(CommandCostEntry, cost, command=command, times=found.times[command], lookups=cost.total)
            for command, cost in found.commands.items()
        ),
        plans=tuple(entry(PlanCostEntry, plan, plan.cost, lookups=plan.cost.total) for plan in found.plans),
    )
