"""The receipt of a run: the outcome of every planned action."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.applier.receipt import Receipt, StopReason
from leanplum_sync.journal.entry import Fate, FateGroup
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, place, prose, row, table
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, FAINT, GOOD, faint, grid, heading, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import amount, cut, escaped, listing, noun_for, subject_words

_REJECTED_BEFORE: Final = "skipped: rejected before by the API, so not sent again"
_GROUPS_SHOWN: Final = 10
_SAMPLES_SHOWN: Final = 3
_FIELDS_CELLS: Final = 200
_COMMENT_CELLS: Final = 200


def fate_words(fate: Fate) -> str:
    match fate:
        case Fate.DONE:
            return "done"
        case Fate.ALREADY:
            return "already as desired"
        case Fate.SKIPPED:
            return "skipped: the API reported that it did not carry them out"
        case Fate.REJECTED:
            return "rejected by the API"
        case Fate.CONFLICTING:
            return "conflicting: changed by someone else since the plan was made, so not written"
        case Fate.HELD:
            return "held: may already have happened; a person must decide"
        case Fate.IN_DOUBT:
            return "in doubt: sent, but no trustworthy response came back"
        case Fate.PARKED:
            return "parked: set aside, because the API refused them or did not respond"
        case Fate.NOT_SENT:
            return "not sent"


def fate_style(fate: Fate) -> str:
    match fate:
        case Fate.DONE | Fate.ALREADY:
            return GOOD
        case Fate.REJECTED | Fate.HELD | Fate.IN_DOUBT:
            return BAD
        case Fate.SKIPPED | Fate.CONFLICTING | Fate.PARKED | Fate.NOT_SENT:
            return CARE


def stop_words(reason: StopReason) -> str:
    match reason:
        case StopReason.REJECTIONS:
            return "Stopped early: too many actions were rejected. Check the specs and their data."
        case StopReason.UNAVAILABLE:
            return "Stopped early: the API kept refusing requests or did not respond."
        case StopReason.WAVE:
            return (
                "Stopped early: too many actions failed, so the actions that depend on them were not started."
            )
        case StopReason.WRONG_TIME:
            return "Stopped early: Leanplum recorded events as happening now, not at their own time. Check this machine's clock with leanplum-sync doctor."
        case StopReason.CANARY:
            return "The canary is complete; the rest were not sent."
        case StopReason.INTERRUPTED:
            return "Interrupted: in-flight requests completed; the rest were not sent."


def receipt_text(receipt: Receipt, target: Target, verified: Verification | None, page: Page) -> str:
    title = "Applied to " if receipt.complete else "Partially applied to "
    lines: list[RenderableType] = [
        Text.assemble((title, "bold"), (target_words(target), GOOD if target.is_emulator else CARE)),
        BLANK,
    ]
    if receipt.stopped is not None:
        is_fine = receipt.stopped is StopReason.CANARY and receipt.is_clean
        lines += [Text(stop_words(receipt.stopped), GOOD if is_fine else BAD), BLANK]
    if receipt.complete and not receipt.sent_now:
        lines += [Text(_nothing_words(receipt)), BLANK]
    rows = [
        (Text(f"{receipt.planned:,}"), Text("action planned" if receipt.planned == 1 else "actions planned")),
        *(_fate_row(*each) for each in fates(receipt)),
    ]
    lines += [
        grid(rows, right=(0,)),
        BLANK,
        *_exceptions(receipt, page),
        *_verified(verified),
        faint(effort(receipt, verified)),
        faint(f"Plan {receipt.plan_digest[:12]}"),
    ]
    return paint(lines, page)


def _nothing_words(receipt: Receipt) -> str:
    if not receipt.planned:
        return "Nothing to send."
    if not receipt.requests:
        return "Nothing to send: everything was already as planned."
    return "Nothing to send: this plan had already been applied."


def fates(receipt: Receipt) -> Sequence[tuple[Fate, int, str]]:
    """Return how many actions have each fate, with its words. What was rejected before is listed apart."""
    known = receipt.rejected_before
    counts = {fate: count - (known if fate is Fate.SKIPPED else 0) for fate, count in receipt.actions.items()}
    found = [(fate, counts[fate], fate_words(fate)) for fate in Fate if counts.get(fate)]
    return [*found, (Fate.SKIPPED, known, _REJECTED_BEFORE)] if known else found


def fates_line(receipt: Receipt) -> str:
    """Return how many actions have each fate, as one line such as ``1,204 done, 2 held``."""
    return (
        ", ".join(f"{count:,} {words.partition(':')[0]}" for _, count, words in fates(receipt) if count)
        or "nothing to do"
    )


def _fate_row(fate: Fate, count: int, words: str) -> tuple[Text, Text]:
    return Text(f"{count:,}", fate_style(fate)), Text(words)


def _exceptions(receipt: Receipt, page: Page) -> list[RenderableType]:
    """Return one line per outcome and message, however many users share it."""
    if not receipt.exceptions_total:
        return []
    largest = groups(receipt)
    rows = [_exception_row(*key, ids, page) for key, ids in largest[:_GROUPS_SHOWN]]
    rest = receipt.exceptions_total - sum(ids.total() for _, ids in largest[:_GROUPS_SHOWN])
    more = [faint(f"  and {rest:,} more; -o json lists {len(receipt.exceptions):,}")] if rest else []
    return [heading("Needs attention"), grid(rows, right=(0,)), *more, BLANK]


def groups(receipt: Receipt) -> Sequence[tuple[tuple[Fate, str], Counter[str]]]:
    """Return how often each user is listed, by fate and message, the largest group first."""
    found: defaultdict[tuple[Fate, str], Counter[str]] = defaultdict(Counter)
    for each in receipt.exceptions:
        found[each.fate, each.message][subject_words(str(each.subject))] += 1
    return sorted(found.items(), key=lambda group: -group[1].total())


def _exception_row(fate: Fate, message: str, ids: Counter[str], page: Page) -> tuple[Text, ...]:
    return (
        Text(f"{ids.total():,}"),
        Text(fate.value, fate_style(fate)),
        Text.assemble(
            cut(escaped(message), page.width),
            (f"  e.g. {', '.join(map(cut, list(ids)[:_SAMPLES_SHOWN]))}", FAINT),
        ),
    )


def _verified(verified: Verification | None) -> list[RenderableType]:
    """Return the result of reading users back; nothing where none were read."""
    if verified is None or not verified.checked:
        return []
    first, *others = verified_words(verified)
    found = Text.assemble(("Verified: ", GOOD) if verified.is_proof else ("Not verified: ", BAD), first)
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
    match = "matches" if verified.equal == 1 else "match"
    equal = f"{verified.equal:,} of {amount(verified.checked, noun_for(verified.thing_kinds, with_users=verified.checked > verified.things))} read back {match} the plan."
    unproven = (
        f" For {verified.unproven:,} of them, the API does not return every written value."
        if verified.unproven
        else ""
    )
    unread = [f"{amount(verified.unread, 'user')} could not be read back."] if verified.unread else []
    again = (
        f" {amount(verified.again, 'user')} had to be read twice, which may be billed twice."
        if verified.again
        else ""
    )
    return [equal + unproven + again, *unread]


def effort(receipt: Receipt, verified: Verification | None) -> str:
    """Return the requests and the billable lookups of a run, by what the lookups were for."""
    checks = receipt.recheck_reads + receipt.settle_reads
    verifying = verified.checked - verified.things + verified.again if verified is not None else 0
    lookups = [
        f"{amount(receipt.lookups, 'billable lookup')} to write",
        *([f"{checks:,} to check before and after"] if checks else []),
        *([f"{verifying:,} to verify"] if verifying else []),
    ]
    return f"Run {receipt.run}: {amount(receipt.requests, 'request')}, {', '.join(lookups)}."


def receipt_document(
    receipt: Receipt, target: Target, verified: Verification | None, files: Sequence[str] = ()
) -> str:
    from leanplum_sync.render.documents import (  # noqa: PLC0415 - its classes take longer to create than a text to render
        ReceiptDocument,
        VerificationEntry,
        entry,
        written,
    )
    from leanplum_sync.render.journal import exception_record  # noqa: PLC0415 - as above

    return written(
        entry(
            ReceiptDocument,
            receipt,
            target=target,
            billable_lookups=receipt.lookups,
            stopped=receipt.stopped.value if receipt.stopped else None,
            exceptions=tuple(map(exception_record, receipt.exceptions)),
            verification=entry(VerificationEntry, verified) if verified else None,
            files=tuple(files),
        )
    )


def next_steps(
    receipt: Receipt, verified: Verification | None, plan: str, files: Sequence[str] = ()
) -> Sequence[str]:
    """
    Return what to do next, one sentence each; empty when everything is done.

    *plan* is the path of the plan, *files* the data files with the rejected and held rows, all quoted for a
    shell.
    """
    found: list[str] = []
    if receipt.actions.get(Fate.HELD):
        found += [
            "Some actions may or may not have happened. They are never sent again automatically; leanplum-sync status lists them.",
            f"To resolve the held actions: leanplum-sync resolve {receipt.run} --done (or --again, or --drop)",
        ]
    if receipt.stopped is StopReason.WRONG_TIME:
        found.append(
            "The events that Leanplum recorded as happening now can't be corrected. Resolve them with --done: sent again, they would count twice."
        )
    if receipt.actions.get(Fate.IN_DOUBT):
        found.append(
            "The next apply checks the actions in doubt first, and sends them again only if that is safe."
        )
    if receipt.stopped is StopReason.WAVE:
        found.append("To start the dependent actions anyway, add --wave-failures 100%.")
    if any(receipt.actions.get(fate) for fate in (Fate.PARKED, Fate.NOT_SENT, Fate.IN_DOUBT)):
        found.append(f"To continue with the rest: leanplum-sync apply {plan} --resume")
    if any(receipt.actions.get(fate) for fate in (Fate.REJECTED, Fate.SKIPPED)):
        found.append("Fix the rejected or skipped rows in the specs or data, then plan again.")
    if receipt.rejected_before:
        found.append(
            "To send changes that were rejected before: plan again, then apply with --retry-rejected."
        )
    if files:
        found.append(f"The affected rows, as data files that a spec can use: {listing(list(files))}")
    if receipt.actions.get(Fate.CONFLICTING) or (verified is not None and verified.different):
        found.append("Plan again to see what others have changed.")
    return found


def receipt_markdown(
    receipt: Receipt, target: Target, verified: Verification | None, steps: Sequence[str], limit: int
) -> str:
    """*steps* say what to do next, one sentence each."""
    title = "Applied to" if receipt.complete else "Partially applied to"
    parts: list[str | Rows] = [
        marker("receipt", target.environment, target.app_id),
        f"### {title} {place(target)}",
        *([f"> [!WARNING]\n> {stop_words(receipt.stopped)}"] if receipt.stopped else []),
        "\n".join([table("Actions:", "Outcome"), *_markdown_fates(receipt)]),
        *([f"**{prose(' '.join(verified_words(verified)))}**"] if verified and verified.checked else []),
        Rows("", [f"- {prose(cut(step, _COMMENT_CELLS))}" for step in steps]),
        *_markdown_exceptions(receipt),
        *(_markdown_differing(verified) if verified else []),
        f"<sub>{effort(receipt, verified)} Plan `{receipt.plan_digest[:12]}`</sub>",
    ]
    return fitted(parts, limit)


def _markdown_fates(receipt: Receipt) -> Iterable[str]:
    yield row(f"{receipt.planned:,}", "planned")
    for fate, count, words in fates(receipt):
        mark = "" if fate.group is FateGroup.AS_DESIRED else "❌ "
        yield row(f"**{count:,}**", f"{mark}{words}")


def _markdown_exceptions(receipt: Receipt) -> Iterable[Rows]:
    lines = [
        row(
            f"**{ids.total():,}**",
            fate.value,
            code(cut(escaped(message), _COMMENT_CELLS)),
            ", ".join(code(cut(each)) for each in list(ids)[:_SAMPLES_SHOWN]),
        )
        for (fate, message), ids in groups(receipt)
    ]
    head = table("Actions:", "Outcome", "Message", "Examples")
    yield Rows(head, lines, "group", "the JSON receipt of the run lists them")
    unlisted = receipt.exceptions_total - len(receipt.exceptions)
    if unlisted:
        yield Rows(
            "", [f"_{unlisted:,} more are in the journal: `leanplum-sync journal show {receipt.run}`._"]
        )


def _markdown_differing(verified: Verification) -> Iterable[Rows]:
    lines = [
        row(
            code(cut(subject_words(str(each.subject)))),
            code(cut(escaped(", ".join(each.fields)), _COMMENT_CELLS)),
        )
        for each in verified.differing
    ]
    yield Rows(table("Still different", "In"), lines, "user", "the JSON receipt of the run lists them")
