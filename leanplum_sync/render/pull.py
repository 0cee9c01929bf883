"""The result of a pull."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.operations.pull import PullReport
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.documents import Pulled, UnreadEntry, entry, written
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, faint, grid, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import amount, escaped, subject_words

_FAILURES_SHOWN: Final = 10


def pulled_text(report: PullReport, target: Target, path: str, page: Page) -> str:
    """*path* is the snapshot, quoted for a shell."""
    rows = [(Text(f"{report.read:,}", "bold"), Text(f"read into {path}"))]
    if report.missing:
        rows.append((Text(f"{report.missing:,}"), faint("of them do not exist in the app")))
    if report.again:
        rows.append(
            (Text(f"{report.again:,}"), faint("of them had to be read twice, which may be billed twice"))
        )
    if report.reused:
        rows.append((Text(f"{report.reused:,}"), faint("kept from an earlier read")))
    title = Text.assemble(("Users of ", "bold"), target_words(target))
    return paint([title, BLANK, grid(rows, right=(0,)), *_failures(report)], page)


def _failures(report: PullReport) -> list[RenderableType]:
    if not report.failed:
        return []
    some = report.failures[:_FAILURES_SHOWN]
    rows = [(Text(subject_words(str(each.subject))), faint(escaped(each.sentence))) for each in some]
    rest = report.failed - len(some)
    more = [faint(f"  and {rest:,} more; -o json lists them")] if rest else []
    return [BLANK, Text(f"{amount(report.failed, 'user')} could not be read", BAD), grid(rows), *more]


def pulled_json(report: PullReport, target: Target) -> str:
    failures = tuple(entry(UnreadEntry, each) for each in report.failures)
    return written(entry(Pulled, report, target=target, failures=failures))
