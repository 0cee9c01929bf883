"""The receipt of a run: what became of everything that was planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.applier.receipt import Receipt, StopReason, receipt_json
from leanplum_sync.journal.entry import Fate
from leanplum_sync.operations.verify import Verification, verification_json
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, FAINT, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import target_fields, target_words
from leanplum_sync.render.values import cut, escaped, subject_words
from leanplum_sync.render.words import amount, listing

FATE_WORDS: Final[Mapping[Fate, str]] = {
    Fate.DONE: "done",
    Fate.ALREADY: "were as desired already",
    Fate.SKIPPED: "skipped: the API says it did not carry them out",
    Fate.REJECTED: "rejected by the API",
    Fate.CONFLICTING: "conflicting: changed by somebody else since the plan, so left alone",
    Fate.HELD: "held: may have happened already, a person must decide",
    Fate.IN_DOUBT: "in doubt: sent, and no trustworthy answer came back",
    Fate.PARKED: "parked: the API refused or did not answer",
    Fate.NOT_SENT: "not sent",
}
GOOD_FATES: Final = frozenset({Fate.DONE, Fate.ALREADY})
_GRAVE_FATES: Final = frozenset({Fate.REJECTED, Fate.HELD, Fate.IN_DOUBT})
STOP_WORDS: Final[Mapping[StopReason, str]] = {
    StopReason.REJECTIONS: "Stopped early: too many were rejected. Something is wrong with the specs or their data.",
    StopReason.UNAVAILABLE: "Stopped early: the API kept refusing, or did not answer.",
    StopReason.WAVE: "Stopped early: too much failed for what builds on it to start.",
    StopReason.CANARY: "The canary is through; the rest was not sent.",
    StopReason.INTERRUPTED: "Interrupted: what was on its way was finished, the rest was not sent.",
}
_GROUPS_SHOWN: Final = 10
_SAMPLES_SHOWN: Final = 3
_FIELDS_CELLS: Final = 200


def receipt_text(receipt: Receipt, target: Target, verified: Verification | None, page: Page) -> str:
    title = "Applied to " if receipt.complete else "Applied in part to "
    lines: list[RenderableType] = [
        Text.assemble((title, "bold"), (target_words(target), GOOD if target.is_emulator else CARE)),
        BLANK,
    ]
    if receipt.stopped is not None:
        is_fine = receipt.stopped is StopReason.CANARY and receipt.is_clean
        lines += [Text(STOP_WORDS[receipt.stopped], GOOD if is_fine else BAD), BLANK]
    if receipt.complete and not receipt.sent_now:
        lines += [Text("Nothing was sent now: there was nothing left of this plan to do."), BLANK]
    rows = [_fate_row(fate, receipt.actions[fate]) for fate in Fate if receipt.actions.get(fate)]
    rows.append((Text(f"{receipt.planned:,}"), faint("planned")))
    lines += [
        grid(rows, right=(0,)),
        BLANK,
        *_exceptions(receipt, page),
        *_verified(verified),
        faint(effort(receipt)),
        faint(f"Plan {receipt.plan_digest[:12]}"),
    ]
    return paint(lines, page)


def _fate_row(fate: Fate, count: int) -> tuple[Text, Text]:
    style = GOOD if fate in GOOD_FATES else BAD if fate in _GRAVE_FATES else CARE
    return Text(f"{count:,}", style), Text(FATE_WORDS[fate])


def _exceptions(receipt: Receipt, page: Page) -> list[RenderableType]:
    """Group those that are listed: a thousand users with one and the same reason are one line."""
    if not receipt.exceptions_total:
        return []
    largest = groups(receipt)
    rows = [_exception_row(*key, ids, page) for key, ids in largest[:_GROUPS_SHOWN]]
    rest = receipt.exceptions_total - sum(len(ids) for _, ids in largest[:_GROUPS_SHOWN])
    more = [faint(f"  and {rest:,} more; -o json lists {len(receipt.exceptions):,}")] if rest else []
    return [heading("To look at"), grid(rows, right=(0,)), *more, BLANK]


def groups(receipt: Receipt) -> Sequence[tuple[tuple[Fate, str], Sequence[str]]]:
    """Return who is listed with the same fate and message, the largest group first."""
    found = defaultdict(list)
    for entry in receipt.exceptions:
        found[entry.fate, entry.message].append(subject_words(str(entry.subject)))
    return sorted(found.items(), key=lambda group: -len(group[1]))


def _exception_row(fate: Fate, message: str, ids: Sequence[str], page: Page) -> tuple[Text, ...]:
    return (
        Text(f"{len(ids):,}"),
        Text(fate.value, BAD if fate in _GRAVE_FATES else CARE),
        Text.assemble(
            cut(escaped(message), page.width),
            (f"  such as {', '.join(map(cut, ids[:_SAMPLES_SHOWN]))}", FAINT),
        ),
    )


def _verified(verified: Verification | None) -> list[RenderableType]:
    """What reading back has shown. Where nobody was read back, nothing is claimed."""
    if verified is None or not verified.checked:
        return []
    first, *others = verified_words(verified)
    found = Text.assemble(("Verified: ", GOOD if verified.is_proof else BAD), first)
    unread = [Text(each, CARE) for each in others]
    some = verified.differing[:_GROUPS_SHOWN]
    rows = [
        (
            Text(cut(subject_words(str(each.subject)))),
            Text(cut(escaped(", ".join(each.fields)), _FIELDS_CELLS)),
        )
        for each in some
    ]
    rest = verified.different - len(some)
    more = [faint(f"  and {rest:,} more; -o json lists them")] if rest else []
    differing = [Text("Still different", BAD), grid(rows), *more] if rows else []
    return [found, *unread, *differing, BLANK]


def verified_words(verified: Verification) -> Sequence[str]:
    equal = f"{verified.equal:,} of {amount(verified.checked, 'user')} read back are as planned."
    unproven = f" Of {verified.unproven:,}, the API doesn't show everything." if verified.unproven else ""
    unread = [f"{amount(verified.unread, 'user')} could not be read back."] if verified.unread else []
    again = (
        f" {amount(verified.again, 'user')} read once more, alone: perhaps billed twice."
        if verified.again
        else ""
    )
    return [equal + unproven + again, *unread]


def effort(receipt: Receipt) -> str:
    checks = receipt.recheck_reads + receipt.settle_reads
    extra = f", and {checks:,} to check before and after" if checks else ""
    return (
        f"Run {receipt.run}: {amount(receipt.requests, 'request')},"
        f" {amount(receipt.lookups, 'billable lookup')}{extra}."
    )


def receipt_document(
    receipt: Receipt, target: Target, verified: Verification | None, files: Sequence[str] = ()
) -> str:
    return document(
        "receipt",
        1,
        target=target_fields(target),
        **receipt_json(receipt),
        verification=verification_json(verified) if verified else None,
        files=list(files),
    )


def next_steps(
    receipt: Receipt, verified: Verification | None, plan: str, files: Sequence[str] = ()
) -> Sequence[str]:
    """
    Return what to do now, a sentence each; none when all is done.

    *plan* is the plan's path, *files* those with the rows of what is rejected or held, all ready for a shell.
    """
    found: list[str] = []
    if receipt.actions.get(Fate.HELD):
        found += [
            "Some actions may or may not have happened; nothing sends them again by itself. leanplum-sync status shows them.",
            f"To decide about what is held: leanplum-sync resolve {receipt.run} --done, --again or --drop",
        ]
    if receipt.actions.get(Fate.IN_DOUBT):
        found.append(
            "What is in doubt is looked at first when you apply again, and sent again only where that is safe."
        )
    if receipt.stopped is StopReason.WAVE:
        found.append("To start what builds on it all the same, add --wave-failures 100%.")
    if any(receipt.actions.get(fate) for fate in (Fate.PARKED, Fate.NOT_SENT, Fate.IN_DOUBT)):
        found.append(f"To go on with the rest: leanplum-sync apply {plan} --resume")
    if any(receipt.actions.get(fate) for fate in (Fate.REJECTED, Fate.SKIPPED)):
        found.append("Mend what was rejected or skipped in the specs or data, then plan again.")
    if files:
        found.append(f"The rows behind it, as data files that a spec can name: {listing(list(files))}")
    if receipt.actions.get(Fate.CONFLICTING) or (verified is not None and verified.different):
        found.append("Plan again to see what others have changed.")
    return found
