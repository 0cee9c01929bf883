"""The result of a pull, or of an export."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.clock import utc
from leanplum_sync.operations.exporting import ExportReport
from leanplum_sync.operations.pull import PullReport
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.documents import ExportedEntry, Pulled, UnreadEntry, entry, written
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, faint, grid, paint
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import amount, escaped, in_words, subject_words, timestamp

_FAILURES_SHOWN: Final = 10


def pulled_text(report: PullReport, target: Target, path: str, page: Page) -> str:
    """*path* is the snapshot, quoted for a shell."""
    rows = [
        (
            Text(f"{report.read:,}", "bold"),
            Text(f"{'user' if report.read == 1 else 'users'} read into {path}"),
        )
    ]
    if report.missing:
        rows.append(
            (
                Text(f"{report.missing:,}"),
                faint(f"of them {'does' if report.missing == 1 else 'do'} not exist in the app"),
            )
        )
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


def exported_text(report: ExportReport, target: Target, path: str, page: Page) -> str:
    """*path* is the snapshot, quoted for a shell."""
    counts, quota = report.counts, report.quota
    names = in_words([escaped(name) for name in report.attributes], "and")
    jobs = amount(report.started, "job") + (
        f" started, {report.resumed:,} continued" if report.resumed else " started"
    )
    rows = [
        (Text(f"{counts.users:,}", "bold"), Text(f"exported into {path}, as of {utc(int(report.asked_at))}")),
        (Text(f"{len(report.attributes):,}"), faint(f"{_plural(report.attributes)}: {names}")),
        *(
            (
                Text(f"{count:,}"),
                faint(f"of them with a value of {escaped(name)} that an export doesn't show exactly"),
            )
            for name, count in sorted(counts.uncertain.items())
        ),
        (
            Text(f"{quota.left:,}"),
            faint(f"of {quota.most} jobs left until {utc(int(quota.resets_at))}: {jobs}"),
        ),
    ]
    title = Text.assemble(("Export of ", "bold"), target_words(target))
    return paint([title, BLANK, grid(rows, right=(0,))], page)


def _plural(names: tuple[str, ...]) -> str:
    return "attribute" if len(names) == 1 else "attributes"


def exported_json(report: ExportReport, target: Target) -> str:
    export = ExportedEntry(
        report.counts.users,
        report.attributes,
        report.counts.listed,
        report.counts.uncertain,
        report.started,
        report.resumed,
        report.quota.left,
        timestamp(report.asked_at),
    )
    return written(Pulled(target, 0, 0, 0, 0, 0, (), export))
