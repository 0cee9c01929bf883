"""What a plan must be given before it is applied: hazards accepted by number, and a person's yes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from leanplum_sync.cli.output.console import Console
from leanplum_sync.errors import HazardNotAllowedError
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Hazard, Summary, Target
from leanplum_sync.render.plan_words import HAZARD_WORDS, consent_options, over_budget, target_words
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
        if hazard not in HAZARD_WORDS:
            self.fail(f"nothing is called {hazard}; there are {listing(list(HAZARD_WORDS))}.", param, ctx)
        return Ack(hazard, int(count))


def current_hazards(hazards: Sequence[Hazard], budget: Mapping[str, int | None]) -> tuple[Hazard, ...]:
    """Return *hazards* under the budget of now: what a plan was once allowed to do, the project may no longer allow."""
    return tuple(replace(hazard, allowed=budget.get(hazard.name)) for hazard in hazards)


def check_consent(hazards: Sequence[Hazard], acks: Iterable[Ack]) -> None:
    """
    Raises:
        HazardNotAllowedError: a hazard over budget is not accepted, or one is accepted with a number that isn't the plan's.
    """
    given = tuple(acks)
    planned = {hazard.name: hazard.count for hazard in hazards}
    wrong = [sentence for ack in given if (sentence := _wrong(ack, planned))]
    missing = [
        hazard for hazard in hazards if hazard.is_over and hazard.name not in {ack.hazard for ack in given}
    ]
    if not wrong and not missing:
        return
    over = [f"Over budget: {over_budget(missing)}."] if missing else []
    options = consent_options(hazards)
    consent = [f"To consent to exactly this plan, add {options}"] if options else []
    raise HazardNotAllowedError(
        " ".join([*wrong, *over, "Nothing was sent.", *consent]),
        over={hazard.name: hazard.count for hazard in hazards if hazard.is_over},
    )


def _wrong(ack: Ack, planned: Mapping[str, int]) -> str:
    count = planned.get(ack.hazard, 0)
    if count == ack.count:
        return ""
    return f"--ack {ack.hazard}={ack.count} is not this plan's number: it has {count} {ack.hazard}."


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
