"""``--canary`` and ``--wave-failures``: a staged rollout."""

from __future__ import annotations

from typing import Any, Final

import click

from leanplum_sync.address import Subject
from leanplum_sync.applier.canary import Canary, choose
from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.cli.output.console import Console
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.render.words import amount

_WHOLE: Final = 100


class ShareType(click.ParamType[float]):
    """``5%``, as 0.05."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        share = _share(str(value))
        if share is None:
            self.fail(f"{value!r} is not a share from 0% to 100%.", param, ctx)
        return share


class CanaryType(click.ParamType[Canary]):
    name = "canary"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Canary:
        if isinstance(value, Canary):
            return value
        text = str(value)
        if text.isdecimal() and int(text):
            return Canary(number=int(text))
        share = _share(text)
        if not share:
            self.fail(
                f"{value!r} is neither a number of users nor a share of them, such as 100 or 5%.", param, ctx
            )
        return Canary(share=share)


def _share(text: str) -> float | None:
    number, sign, rest = text.partition("%")
    whole, _, fraction = number.partition(".")
    if not sign or rest or not whole.isdecimal() or not (fraction or "0").isdecimal():
        return None
    return float(number) / _WHOLE if float(number) <= _WHOLE else None


canary_option = click.option(
    "--canary",
    type=CanaryType(),
    metavar="N|P%",
    help="Staged rollout: apply to N users (or P%) first, verify them, and stop; on a terminal, ask whether to continue. The same users are chosen every time. Default: all users at once.",
)
wave_failures_option = click.option(
    "--wave-failures",
    type=ShareType(),
    default="10%",
    metavar="P%",
    help="Don't start a spec if more than this share of the actions it depends on failed. Default: 10%.",
)


def chosen(plan: PlanPart, canary: Canary | None) -> frozenset[Subject] | None:
    """Return the subjects to apply to first, None for all."""
    return None if canary is None else choose(plan.subjects(), canary.count(plan.summary.changed))


def goes_on(
    console: Console, receipt: Receipt, verified: Verification | None, count: int, *, yes: bool
) -> bool:
    """
    Ask whether to continue after the canary.

    The answer is no if nobody can be asked or something went wrong.
    """
    went_well = receipt.is_clean and (verified is None or verified.is_proof)
    if receipt.stopped is not StopReason.CANARY or not went_well or yes or not console.is_interactive:
        return False
    verified_words = (
        "" if verified is None else f", {verified.equal:,} of {verified.checked:,} read back as planned"
    )
    answer = console.ask(
        f"The canary is done: {amount(count, 'user')}{verified_words}.\nType yes to continue with the rest, anything else to stop: "
    )
    return answer.lower() == "yes"
