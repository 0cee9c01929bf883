"""What a plan must be given before it is applied: hazards accepted by number, and a person's yes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from leanplum_sync.cli.console import Console
from leanplum_sync.errors import HazardNotAllowedError
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Hazard, Summary, Target
from leanplum_sync.render.plan_words import consent_options, target_words
from leanplum_sync.render.words import amount, listing


@dataclass(frozen=True, slots=True)
class Ack:
    hazard: str
    count: int


class AckType(click.ParamType[Ack]):
    name = "ack"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ack:
        if isinstance(value, Ack):
            return value
        hazard, _, count = str(value).partition("=")
        if not hazard or not count.isdecimal():
            self.fail(f"{value!r} is not HAZARD=COUNT, such as sends=12431.", param, ctx)
        return Ack(hazard, int(count))


def current_hazards(hazards: Sequence[Hazard], budget: Mapping[str, int | None]) -> tuple[Hazard, ...]:
    """Return *hazards* under the budget of now: what a plan was once allowed to do, the project may no longer allow."""
    return tuple(replace(hazard, allowed=budget.get(hazard.name)) for hazard in hazards)


def check_consent(hazards: Sequence[Hazard], acks: Iterable[Ack]) -> None:
    """
    Raises:
        HazardNotAllowedError: a hazard over budget is not accepted, or one is accepted with a number that isn't the plan's.
    """
    given = {ack.hazard: ack.count for ack in acks}
    wrong = _wrong_numbers({hazard.name: hazard.count for hazard in hazards}, given)
    missing = [hazard for hazard in hazards if hazard.is_over and hazard.name not in given]
    if wrong:
        raise HazardNotAllowedError(
            f"{' '.join(wrong)} Nothing was sent. Look at the plan again before you consent."
        )
    if missing:
        over = listing([f"{hazard.count:,} {hazard.name} (budget {hazard.allowed:,})" for hazard in missing])
        raise HazardNotAllowedError(
            f"Over budget: {over}. Nothing was sent. To consent to exactly this plan, add {consent_options(missing)}"
        )


def _wrong_numbers(planned: Mapping[str, int], given: Mapping[str, int]) -> list[str]:
    return [
        f"--ack {name}={count} is not this plan's number: it has {planned.get(name, 0)} {name}."
        for name, count in given.items()
        if planned.get(name, 0) != count
    ]


def confirm(console: Console, target: Target, summary: Summary, *, yes: bool) -> None:
    """
    Ask a person on a terminal to type the number of users back; elsewhere, only *yes* will do.

    Raises:
        click.ClickException: there is nobody to ask.
        click.Abort: another answer was given.
    """
    if yes:
        return
    if not console.is_interactive:
        raise click.ClickException(
            "There is no terminal to ask on. Add --yes to apply the plan without being asked; nothing was sent."
        )
    answer = console.ask(
        f"{_deeds(summary)} {target_words(target)}.\n"
        "Type the number of users to go ahead, anything else to stop: "
    )
    if answer.replace(",", "") != str(summary.changed):
        console.complain("Stopped; nothing was sent.")
        raise click.Abort


def _deeds(summary: Summary) -> str:
    """Return such as ``This changes 4 users and sends 2 messages in``."""
    deeds = [f"changes {amount(summary.changed, 'user')}"]
    if summary.created:
        deeds.append(f"creates {summary.created:,} of them")
    if sends := summary.count(ChangeKind.SEND):
        deeds.append(f"sends {amount(sends, 'message')}")
    return f"This {listing(deeds)} in"
