"""Receipts, the status of a journal, and problems in specs and data files, as pages."""

from __future__ import annotations

from collections.abc import Sequence

from leanplum_sync.applier.receipt import Receipt
from leanplum_sync.journal.entry import Fate, FateGroup
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planner.plan import Target
from leanplum_sync.problem import Problem, Remark
from leanplum_sync.render.erasure import erasure_words
from leanplum_sync.render.html.parts import code, codes, items, main, masthead, section, table
from leanplum_sync.render.html.writing import NOTHING, Content, Html, page, tag, together
from leanplum_sync.render.problems import Checked, found_words, headline
from leanplum_sync.render.receipt import effort, fates, groups, stop_words, verified_words
from leanplum_sync.render.status import NOTHING_HELD, Status, held_groups, lock_words
from leanplum_sync.render.values import amount, cut, moment, subject_words

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
            tag("p", stop_words(receipt.stopped), class_="alarm") if receipt.stopped else NOTHING,
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
        class_=None if fate.group is FateGroup.AS_DESIRED else "over",
    )


def _verified(verified: Verification | None) -> Html:
    if verified is None or not verified.checked:
        return NOTHING
    rows = [(code(subject_words(str(each.subject))), ", ".join(each.fields)) for each in verified.differing]
    differing = table("Users that still differ", ["User", "Still different in"], rows) if rows else NOTHING
    return section("Verification", tag("p", " ".join(verified_words(verified))), differing)


def _exceptions(receipt: Receipt) -> Html:
    rows: list[Sequence[Content]] = [
        (f"{ids.total():,}", fate.value, cut(message, _MESSAGE_CELLS), codes(list(ids)[:_SAMPLES]))
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


def status_html(status: Status) -> str:
    head = f"{amount(len(status.held), 'action')} held: a person must decide" if status.held else NOTHING_HELD
    runs: list[Sequence[Content]] = [
        (
            str(run.number),
            run.state.value,
            run.environment,
            tag("span", moment(run.started_at), class_="word"),
            f"{run.actions:,}",
            code(run.plan_digest[:12]),
        )
        for run in status.runs
    ]
    latest = table(
        "Runs, latest first", ["Run:", "State", "Environment", "Started", "Actions:", "Plan"], runs
    )
    return page(
        "Journal",
        main(
            masthead("Journal", None, head if status.runs else "No runs yet", status.journal),
            _held(status),
            section("Running now", items(lock_words(lock, status.now) for lock in status.locks))
            if status.locks
            else NOTHING,
            section("Erasures", items(erasing))
            if (erasing := list(erasure_words(status.erasures, status.now)))
            else NOTHING,
            section("Recent runs", latest) if runs else NOTHING,
        ),
    )


def _held(status: Status) -> Html:
    rows: list[Sequence[Content]] = [
        (f"{ids.total():,}", code(resource), code(name), str(run), codes(list(ids)[:_SAMPLES]))
        for (resource, name, run), ids in held_groups(status)
    ]
    if not rows:
        return NOTHING
    return section(
        "Held", table("Held actions, by spec and run", ["Actions:", "Spec", "Name", "Run:", "Examples"], rows)
    )


def problems_html(checked: Checked) -> str:
    if not checked.total:
        return page(
            "Valid",
            main(masthead("Validation", None, "Valid", found_words(checked)), _remarks(checked.remarks)),
        )
    head = headline(checked.problems, checked.total, checked.listed)
    listed = tag("ol", *map(_problem_item, checked.problems), class_="problems")
    return page(
        head, main(masthead("Validation", None, head), section("Problems", listed), _remarks(checked.remarks))
    )


def _remarks(remarks: Sequence[Remark]) -> Html:
    listed = tag("ul", *(_problem_item(remark.problem) for remark in remarks), class_="problems")
    return section("Remarks", listed) if remarks else NOTHING


def _problem_item(problem: Problem) -> Html:
    sentence = str(problem).removeprefix(str(problem.place)).lstrip(": ")
    source = problem.excerpt.strip()
    return tag(
        "li",
        code(str(problem.place)),
        tag("p", sentence),
        tag("pre", tag("code", source), tabindex="0") if source else NOTHING,
    )
