"""``--ack``, and the question before a plan is applied."""

from __future__ import annotations

from typing import Any

import click

from leanplum_sync.applier.preflight import Consent
from leanplum_sync.cli.output.console import Console
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Summary, Target
from leanplum_sync.render.plan_words import HAZARD_WORDS, target_words
from leanplum_sync.render.words import amount, listing


class AckType(click.ParamType[Consent]):
    name = "ack"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Consent:
        if isinstance(value, Consent):
            return value
        hazard, _, count = str(value).partition("=")
        if not hazard or not count.isdecimal():
            self.fail(f"{value!r} is not HAZARD=COUNT, such as sends=12431.", param, ctx)
        if hazard not in HAZARD_WORDS:
            self.fail(f"unknown hazard {hazard}; known are {listing(list(HAZARD_WORDS))}.", param, ctx)
        return Consent(hazard, int(count))


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
