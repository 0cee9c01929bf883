"""Options of ``apply``: consent, a staged rollout, and reading users back."""

from __future__ import annotations

from typing import Final

import click

from leanplum_sync.address import Subject, noun_of
from leanplum_sync.applier.canary import Canary, choose
from leanplum_sync.applier.preflight import Consent
from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.applier.settings import Recheck
from leanplum_sync.cli.options.basic import Parsed, duration_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.library.applying import Application
from leanplum_sync.library.reading import SAMPLE
from leanplum_sync.library.verifying import Extent, is_due, sample_of
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.planner.change import ChangeKind
from leanplum_sync.planner.plan import Summary, Target
from leanplum_sync.render.plan_words import HAZARD_WORDS, target_words
from leanplum_sync.render.values import amount, listing, plural
from leanplum_sync.wire.catalogue import KeyClass

_WHOLE: Final = 100


def _consent(text: str) -> Consent:
    hazard, _, count = text.partition("=")
    if not hazard or not count.isdecimal():
        raise ValueError(f"{text!r} is not HAZARD=COUNT, such as sends=12431")
    if hazard not in HAZARD_WORDS:
        raise ValueError(f"unknown hazard {hazard}; the hazards are {listing(list(HAZARD_WORDS))}")
    return Consent(hazard, int(count))


CONSENT: Final = Parsed("ack", _consent)
ack_option: Final = click.option(
    "--ack",
    type=CONSENT,
    multiple=True,
    metavar="HAZARD=COUNT",
    help="Accept a hazard that is over budget. Give the count shown in the plan, such as sends=12431; may be repeated. Default: none.",
)


def confirm(console: Console, target: Target, summary: Summary) -> None:
    """
    Ask a person on a terminal to type the number of users back, or that of things of the app if no users change.

    Raises:
        click.ClickException: there is nobody to ask.
        click.Abort: another answer was given.
    """
    erased = summary.count(ChangeKind.ERASE, ChangeKind.BLOCK)
    deeds = [f"changes {amount(summary.changed, 'user')}"] if summary.changed > erased else []
    if erased:
        deeds.append(f"erases {amount(erased, 'user')}, which can't be undone,")
    if summary.changed_things:
        deeds.append(f"changes {amount(summary.changed_things, noun_of(summary.thing_kinds))}")
    count, what = (
        (summary.changed, "users")
        if summary.changed
        else (summary.changed_things, plural(noun_of(summary.thing_kinds)))
    )
    if summary.created:
        deeds.append(f"creates {summary.created:,} of them")
    if resubscribed := summary.count(ChangeKind.RESUBSCRIBE):
        deeds.append(f"re-subscribes users {amount(resubscribed, 'time')}")
    if sends := summary.count(ChangeKind.SEND):
        deeds.append(f"sends {amount(sends, 'message')}")
    if events := summary.count(ChangeKind.EVENT, ChangeKind.EVENT_TOTAL):
        deeds.append(f"imports {amount(events, 'past event')}")
    console.confirm(
        f"This {listing(deeds)} in {target_words(target)}.",
        expected=f"the number of {what}",
        accepted=(str(count), f"{count:,}"),
        unattended="There is no terminal to ask on. Add --yes to apply the plan without being asked; nothing was sent.",
        stopped="Stopped; nothing was sent.",
    )


def _share(text: str) -> float | None:
    """Return ``5%`` as 0.05."""
    number, sign, rest = text.partition("%")
    whole, _, fraction = number.partition(".")
    if not sign or rest or not whole.isdecimal() or not (fraction or "0").isdecimal():
        return None
    return float(number) / _WHOLE if float(number) <= _WHOLE else None


def _checked_share(text: str) -> float:
    share = _share(text)
    if share is None:
        raise ValueError(f"{text!r} is not a share from 0% to 100%")
    return share


def _canary(text: str) -> Canary:
    if text.isdecimal() and int(text):
        return Canary(number=int(text))
    if not (share := _share(text)):
        raise ValueError(f"{text!r} is neither a number of users nor a share of them, such as 100 or 5%")
    return Canary(share=share)


canary_option: Final = click.option(
    "--canary",
    type=Parsed("canary", _canary),
    metavar="N|P%",
    help="Staged rollout: apply to N users (or P%) first, verify them, and stop; on a terminal, ask whether to continue. The same users are chosen every time. Default: all users at once.",
)
wave_failures_option: Final = click.option(
    "--wave-failures",
    type=Parsed("share", _checked_share),
    default="10%",
    metavar="P%",
    help="Don't start a spec if more than this share of the actions it depends on failed. Default: 10%.",
)

recheck_option: Final = click.option(
    "--recheck",
    type=click.Choice([choice.value for choice in Recheck]),
    default=Recheck.AUTO.value,
    help="Precondition check: read users again before writing, and skip users that someone else has changed since the plan was made. Default: auto, which checks if the plan's live state is older than ten minutes. Users are always read before they are re-subscribed.",
)
concurrency_option: Final = click.option(
    "--concurrency",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Number of requests in flight at the same time. Default: the project's limit, or 8.",
)
rate_option: Final = click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Maximum number of requests started per second. Default: the project's limit, or 20.",
)
resume_option: Final = click.option(
    "--resume", is_flag=True, help="Also retry the actions that an earlier run of this plan set aside."
)
retry_rejected_option: Final = click.option(
    "--retry-rejected",
    is_flag=True,
    help="Also send changes that the API rejected in an earlier run. Default: skip them, because the API would reject them again.",
)
new_journal_option: Final = click.option(
    "--new-journal",
    is_flag=True,
    help="Accept a journal that has no record of earlier sends. Use this for an app's first sends, or if the old journal is lost.",
)
max_age_option: Final = duration_option(
    "--max-age",
    help="Maximum age of the plan, such as 30m or 2h. Default: the project's planHours, or no limit.",
)


def chosen(plan: PlanPart, canary: Canary | None) -> frozenset[Subject] | None:
    """Return the subjects to apply to first, None for all."""
    return (
        None
        if canary is None
        else choose(plan.subjects(), canary.count(plan.summary.changed + plan.summary.changed_things))
    )


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
    read_back = f", {verified.equal:,} of {verified.checked:,} read back as planned" if verified else ""
    answer = console.ask(
        f"The canary is done: {amount(count, 'user')}{read_back}.\nType yes to continue with the rest, anything else to stop: "
    )
    return answer.lower() == "yes"


def _extent(text: str) -> Extent:
    match text:
        case "auto" | "all" | "none":
            return text
        case _ if text.isdecimal() and int(text):
            return int(text)
        case _:
            raise ValueError(f"{text!r} must be all, none, or a number of users")


verify_option: Final = click.option(
    "--verify",
    type=Parsed("verify", _extent),
    default="auto",
    metavar="all|none|N",
    help=f"Read users back afterwards and compare them with the plan: all, none, or a sample of N. Default: all, or {SAMPLE:,} if more users changed.",
)


def verification(
    extent: Extent,
    application: Application,
    receipt: Receipt,
    only: frozenset[Subject] | None,
    console: Console,
) -> Verification | None:
    """Read back the changed users of *only*, None for all, or a sample of them. None if nothing is to be read back."""
    if not is_due(extent, receipt):
        return None
    keys, summary = application.app.keys, application.admitted.mine.summary
    if extent == "auto" and summary.changed and not keys.has(KeyClass.DATA_EXPORT):
        console.complain(f"Not verified: {keys.variable(KeyClass.DATA_EXPORT)} is not set.")
        return None
    changed = summary.changed + summary.changed_things if only is None else len(only)
    return application.read_back(
        receipt, only, sample=sample_of(extent, changed), progress=console.progress()
    )
