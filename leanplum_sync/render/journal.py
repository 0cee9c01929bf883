"""The journal: its runs, one run in detail, and whether it is consistent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.journal.entry import (
    BatchEntry,
    BatchState,
    DeliveryState,
    ExceptionEntry,
    Fate,
    RunEntry,
    Tally,
)
from leanplum_sync.journal.restoring import Restored
from leanplum_sync.journal.soundness import Fault
from leanplum_sync.render import documents
from leanplum_sync.render.documents import entry, written
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, GOOD, faint, grid, heading, paint
from leanplum_sync.render.status import NO_RUNS, run_record, runs_grid
from leanplum_sync.render.values import amount, cut, escaped, moment, subject_words, timestamp

_ROWS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class ShownRun:
    """*batches* are all batches with an entry. *exceptions* may be cut; *exceptions_total* counts all of them."""

    run: RunEntry
    tally: Tally
    batches: Sequence[BatchEntry]
    exceptions: Sequence[ExceptionEntry]
    exceptions_total: int


def runs_text(runs: Sequence[RunEntry], page: Page) -> str:
    if not runs:
        return paint([Text(NO_RUNS)], page)
    return paint([runs_grid(runs)], page)


def runs_json(runs: Sequence[RunEntry]) -> str:
    return written(documents.Runs(tuple(map(run_record, runs))))


def run_text(shown: ShownRun, page: Page) -> str:
    run = shown.run
    ended = f", ended {moment(run.ended_at)}" if run.ended_at is not None else ""
    not_sent = run.actions - sum(shown.tally.actions.values())
    counts = {**shown.tally.actions, Fate.NOT_SENT: shown.tally.actions.get(Fate.NOT_SENT, 0) + not_sent}
    fates = [(Text(f"{count:,}"), Text(fate.value)) for fate, count in counts.items() if count]
    open_batches = [batch for batch in shown.batches if batch.state is not BatchState.DONE]
    lines: list[RenderableType] = [
        heading(f"Run {run.number} in {escaped(run.environment)}: {run.state.value}"),
        Text(f"Started {moment(run.started_at)}{ended}."),
        _origin(shown),
        BLANK,
        heading("Actions"),
        grid(fates, right=(0,)),
        BLANK,
        heading("Batches"),
        Text(
            f"{len(shown.batches):,} of {run.batches:,} started, {len(shown.batches) - len(open_batches):,} done;"
            f" {amount(shown.tally.requests, 'request')}, {amount(shown.tally.lookups, 'billable lookup')}."
        ),
        *_table([_batch_row(batch, page) for batch in open_batches[:_ROWS_SHOWN]], len(open_batches)),
        *_exceptions(shown, page),
    ]
    return paint(lines, page)


def _origin(shown: ShownRun) -> Text:
    if not shown.run.is_recorded:
        return faint(f"Plan {shown.run.plan_digest}")
    reason = next((batch.reason for batch in shown.batches), "")
    return Text(f"Sends made elsewhere, {escaped(reason)}")


def _batch_row(batch: BatchEntry, page: Page) -> tuple[Text, ...]:
    return (
        Text(f"batch {batch.sequence}"),
        Text(batch.state.value, CARE),
        Text(batch.delivery_class),
        Text(f"wave {batch.wave}"),
        faint(cut(escaped(batch.reason), page.width)),
    )


def _exceptions(shown: ShownRun, page: Page) -> list[RenderableType]:
    if not shown.exceptions:
        return []
    rows = [
        (
            Text(subject_words(str(each.subject))),
            Text(each.fate.value, CARE),
            faint(f"batch {each.sequence}"),
            Text(cut(escaped(each.message), page.width)),
        )
        for each in shown.exceptions[:_ROWS_SHOWN]
    ]
    return [BLANK, heading("Needs attention"), *_table(rows, shown.exceptions_total)]


def _table(rows: Sequence[Sequence[Text]], total: int) -> list[RenderableType]:
    if not rows:
        return []
    rest = total - len(rows)
    return [
        grid(rows),
        *([faint(f"  and {rest:,} more; leanplum-sync journal export lists them all")] if rest else []),
    ]


def run_json(shown: ShownRun) -> str:
    return written(
        entry(
            documents.RunDocument,
            run_record(shown.run),
            shown.tally,
            fates=shown.tally.actions,
            billable_lookups=shown.tally.lookups,
            entries=tuple(map(_batch_record, shown.batches)),
            exceptions_total=shown.exceptions_total,
            exceptions=tuple(map(exception_record, shown.exceptions)),
        )
    )


def exception_record(exception: ExceptionEntry) -> documents.ExceptionRecord:
    return entry(documents.ExceptionRecord, exception, batch=exception.sequence)


def _batch_record(batch: BatchEntry) -> documents.BatchRecord:
    return entry(
        documents.BatchRecord,
        batch,
        batch=batch.sequence,
        class_=batch.delivery_class,
        sent_at=timestamp(batch.sent_at),
        doubted_at=timestamp(batch.doubted_at),
    )


def faults_text(faults: Sequence[Fault], journal: str, page: Page) -> str:
    if not faults:
        return paint([Text(f"{escaped(journal)} is consistent.", GOOD)], page)
    rows = [
        (
            Text(_place(each)),
            Text(escaped(each.sentence)),
        )
        for each in faults[:_ROWS_SHOWN]
    ]
    rest = len(faults) - len(rows)
    more = [faint(f"  and {rest:,} more; -o json lists them")] if rest else []
    title = Text(f"{escaped(journal)} is not consistent: {amount(len(faults), 'fault')}", BAD)
    return paint([title, grid(rows), *more], page)


def _place(fault: Fault) -> str:
    if not fault.run:
        return "journal"
    return f"run {fault.run}" + ("" if fault.batch is None else f", batch {fault.batch}")


def faults_json(faults: Sequence[Fault], journal: str) -> str:
    listed = tuple(documents.FaultEntry(fault.run, fault.batch, fault.sentence) for fault in faults)
    return written(documents.JournalCheck(journal, is_sound=not faults, faults=listed))


def copied_text(counts: Mapping[str, int], target: str, page: Page) -> str:
    rows = [(Text(f"{count:,}"), Text(table.replace("_", " "))) for table, count in counts.items()]
    title = Text(f"All rows were copied to {escaped(target)}:", GOOD)
    return paint([title, grid(rows, right=(0,))], page)


def copied_json(counts: Mapping[str, int], source: str, target: str) -> str:
    return written(documents.JournalCopy(source, target, rows=dict(counts)))


def rebuilt_text(rebuilt: Restored, journal: str, page: Page) -> str:
    counts = [
        (Text(f"{rebuilt.runs:,}"), Text("run" if rebuilt.runs == 1 else "runs")),
        *(
            (Text(f"{count:,}"), Text(f"sends, increments, and past events {state.value}"))
            for state, count in _by_state(rebuilt)
        ),
    ]
    lines: list[RenderableType] = [
        Text(f"{escaped(journal)} was rebuilt:", GOOD),
        grid(counts, right=(0,)),
        BLANK,
        heading("Not known"),
        *(Text(escaped(each), CARE) for each in rebuilt.unknown),
        Text(_NEVER_LOGGED),
    ]
    if not rebuilt.is_accepted:
        lines += [
            BLANK,
            Text("The next apply with sends, increments, or past events therefore needs --new-journal."),
        ]
    return paint(lines, page)


_NEVER_LOGGED: Final = "Decisions made with resolve, and the values that drift and undo compare with, are lost. Device fields will be written again."


def _by_state(rebuilt: Restored) -> Sequence[tuple[DeliveryState, int]]:
    return sorted(rebuilt.deliveries.items())


def rebuilt_json(rebuilt: Restored, journal: str) -> str:
    return written(
        documents.JournalRebuild(
            journal,
            rebuilt.runs,
            dict(_by_state(rebuilt)),
            is_complete=not rebuilt.unknown,
            unknown=rebuilt.unknown,
        )
    )
