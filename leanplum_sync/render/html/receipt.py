"""The receipt of a run, as a page."""

from __future__ import annotations

from collections.abc import Sequence

from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.journal.entry import Fate
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.html.parts import code, codes, items, main, masthead, section, table
from leanplum_sync.render.html.writing import NOTHING, Content, Html, page, tag, together
from leanplum_sync.render.receipt import GOOD_FATES, STOP_WORDS, effort, fates, groups, verified_words
from leanplum_sync.render.values import cut, subject_words

_MESSAGE_CELLS = 300
_SAMPLES = 5


def receipt_html(
    receipt: Receipt, target: Target, verified: Verification | None, steps: Sequence[str]
) -> str:
    title = "Applied" if receipt.complete else "Partially applied"
    return page(
        f"{title} to {target.environment}",
        main(
            masthead(
                "Receipt",
                target,
                title,
                effort(receipt, verified).removesuffix("."),
                f"Plan {receipt.plan_digest[:12]}",
            ),
            tag("p", STOP_WORDS[receipt.stopped], class_="alarm") if receipt.stopped else NOTHING,
            tag("dl", *(_fate(*each) for each in fates(receipt)), class_="tiles"),
            section("Next steps", items(steps)) if steps else NOTHING,
            _verified(verified),
            _exceptions(receipt),
        ),
    )


def _fate(fate: Fate, count: int, words: str) -> Html:
    word, _, more = words.partition(": ")
    return tag(
        "div",
        tag("dt", word),
        tag("dd", f"{count:,}"),
        tag("dd", more, class_="budget") if more else NOTHING,
        class_=None if fate in GOOD_FATES else "over",
    )


def _verified(verified: Verification | None) -> Html:
    if verified is None or not verified.checked:
        return NOTHING
    rows = [(code(subject_words(str(each.subject))), ", ".join(each.fields)) for each in verified.differing]
    differing = table("Users that still differ", ["User", "Still different in"], rows) if rows else NOTHING
    return section("Verification", tag("p", " ".join(verified_words(verified))), differing)


def _exceptions(receipt: Receipt) -> Html:
    rows: list[Sequence[Content]] = [
        (f"{len(ids):,}", fate.value, cut(message, _MESSAGE_CELLS), codes(ids[:_SAMPLES]))
        for (fate, message), ids in groups(receipt)
    ]
    if not rows:
        return NOTHING
    unlisted = receipt.exceptions_total - len(receipt.exceptions)
    more = f"{unlisted:,} more are in the journal: leanplum-sync journal show {receipt.run}."
    listed = table("Actions that need attention", ["Actions:", "Outcome", "Message", "Examples"], rows)
    return section(
        "Needs attention", together(listed, tag("p", more, class_="note") if unlisted else NOTHING)
    )
