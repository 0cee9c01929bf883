"""The receipt of a run, as a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.markdown.plan import place
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose, row, table
from leanplum_sync.render.receipt import GOOD_FATES, STOP_WORDS, effort, fates, groups, verified_words
from leanplum_sync.render.values import cut, escaped, subject_words
from leanplum_sync.render.words import amount

_CELLS: Final = 200
_SAMPLES: Final = 3


def receipt_markdown(
    receipt: Receipt, target: Target, verified: Verification | None, steps: Sequence[str], limit: int
) -> str:
    """*steps* say what to do next, one sentence each."""
    title = "Applied to" if receipt.complete else "Partially applied to"
    parts: list[str | Rows] = [
        marker("receipt", target.environment, target.app_id),
        f"### {title} {place(target)}",
        *([f"> [!WARNING]\n> {STOP_WORDS[receipt.stopped]}"] if receipt.stopped else []),
        "\n".join([table("Actions:", "Outcome"), *_fates(receipt)]),
        *([f"**{prose(' '.join(verified_words(verified)))}**"] if verified and verified.checked else []),
        Rows("", [f"- {prose(cut(step, _CELLS))}" for step in steps], lambda _: ""),
        *_exceptions(receipt),
        *(_differing(verified) if verified else []),
        f"<sub>{effort(receipt, verified)} Plan `{receipt.plan_digest[:12]}`</sub>",
    ]
    return fitted(parts, limit)


def _fates(receipt: Receipt) -> Iterable[str]:
    yield row(f"{receipt.planned:,}", "planned")
    for fate, count, words in fates(receipt):
        mark = "" if fate in GOOD_FATES else "❌ "
        yield row(f"**{count:,}**", f"{mark}{words}")


def _exceptions(receipt: Receipt) -> Iterable[Rows]:
    listed = groups(receipt)
    lines = [
        row(f"**{len(ids):,}**", fate.value, code(cut(escaped(message), _CELLS)), _samples(ids))
        for (fate, message), ids in listed
    ]
    yield Rows(
        table("Actions:", "Outcome", "Message", "Examples"),
        lines,
        lambda count: f"_{amount(count, 'group')} omitted here: the JSON receipt of the run lists them._",
    )
    unlisted = receipt.exceptions_total - len(receipt.exceptions)
    if unlisted:
        yield Rows(
            "",
            [f"_{unlisted:,} more are in the journal: `leanplum-sync journal show {receipt.run}`._"],
            lambda _: "",
        )


def _samples(ids: Sequence[str]) -> str:
    return ", ".join(code(cut(each)) for each in ids[:_SAMPLES])


def _differing(verified: Verification) -> Iterable[Rows]:
    lines = [
        row(code(cut(subject_words(str(each.subject)))), code(cut(escaped(", ".join(each.fields)), _CELLS)))
        for each in verified.differing
    ]
    yield Rows(
        table("Still different", "In"),
        lines,
        lambda count: f"_{amount(count, 'user')} omitted here: the JSON receipt of the run lists them._",
    )
