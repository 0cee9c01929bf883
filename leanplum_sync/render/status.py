"""What the journal says: the latest runs, who works now, and what waits for a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.journal.entry import DeliveryEntry, LockHolder, RunEntry, RunState
from leanplum_sync.render.document import document
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, FAINT, GOOD, faint, grid, heading, paint
from leanplum_sync.render.values import cut, escaped, subject_words
from leanplum_sync.render.words import amount, duration, moment, timestamp

_STATE_STYLES: Final = {RunState.FINISHED: GOOD, RunState.PARTIAL: CARE, RunState.INTERRUPTED: CARE}
_SAMPLES_SHOWN: Final = 3
_JOURNAL_CELLS: Final = 300
_NAME_CELLS: Final = 100


@dataclass(frozen=True, slots=True)
class Status:
    """*runs* are the latest first. *now*, in epoch seconds, is when this was read. *journal* is where, without secrets."""

    journal: str
    now: float
    locks: Sequence[LockHolder]
    runs: Sequence[RunEntry]
    held: Sequence[DeliveryEntry]


def status_text(status: Status, page: Page) -> str:
    lines: list[RenderableType] = [heading(cut(escaped(status.journal), _JOURNAL_CELLS)), BLANK]
    if not status.runs:
        lines += [Text("No run yet: nothing was applied from here.")]
        return paint(lines, page)
    lines += [*_locks(status), heading("Latest runs"), grid(map(run_row, status.runs), right=(0, 4)), BLANK]
    return paint([*lines, *_held(status)], page)


def _locks(status: Status) -> list[RenderableType]:
    if not status.locks:
        return []
    rows = [(Text(lock_words(lock, status.now), CARE),) for lock in status.locks]
    return [heading("At work now"), grid(rows), BLANK]


def lock_words(lock: LockHolder, now: float) -> str:
    who = f"process {lock.pid} on {cut(escaped(lock.host))}"
    since = f"for {duration(now - lock.since)}"
    what = _with_part(lock.environment, lock.part)
    if lock.until <= now:
        return f"{what}: {who} held the lock and is not heard of any more; the lock is free."
    return f"{what}: {who}, {since}; the lock frees itself in {duration(lock.until - now)}."


def _with_part(environment: str, part: str) -> str:
    name = cut(escaped(environment))
    return f"{name}, shard {cut(escaped(part))}" if part else name


def run_row(run: RunEntry) -> tuple[Text, ...]:
    return (
        Text(str(run.number), "bold"),
        Text(run.state.value, _STATE_STYLES.get(run.state, "")),
        Text(_with_part(run.environment, run.part)),
        Text(moment(run.started_at)),
        Text(amount(run.actions, "action")),
        faint(f"plan {run.plan_digest[:12]}"),
    )


def _held(status: Status) -> list[RenderableType]:
    if not status.held:
        return [Text("Nothing is held.", GOOD)]
    rows = [_held_row(*key, ids) for key, ids in held_groups(status)]
    title = Text(f"Held: {amount(len(status.held), 'action')} that may or may not have happened", BAD)
    runs = sorted({entry.run for entry in status.held})
    decide = [faint(f"  leanplum-sync resolve {run} --done, --again or --drop") for run in runs]
    return [title, grid(rows, right=(0,)), BLANK, Text("To decide what became of them"), *decide]


def held_groups(status: Status) -> Sequence[tuple[tuple[str, str, int], Sequence[str]]]:
    """Return who is held of each resource, delivery and run."""
    groups = defaultdict(list)
    for entry in status.held:
        groups[entry.key.resource, entry.key.name, entry.run].append(subject_words(str(entry.key.subject)))
    return list(groups.items())


def _held_row(resource: str, name: str, run: int, ids: Sequence[str]) -> tuple[Text, ...]:
    samples = f"  run {run}, such as {', '.join(map(cut, ids[:_SAMPLES_SHOWN]))}"
    return Text(f"{len(ids):,}"), Text.assemble(
        cut(escaped(f"{resource}, {name}"), _NAME_CELLS), (samples, FAINT)
    )


def status_json(status: Status) -> str:
    return document(
        "status",
        1,
        journal=status.journal,
        readAt=timestamp(status.now),
        locks=[
            {
                "appId": lock.app,
                "environment": lock.environment,
                "part": lock.part,
                "holder": lock.holder,
                "host": lock.host,
                "pid": lock.pid,
                "since": timestamp(lock.since),
                "until": timestamp(lock.until),
                "isLive": lock.until > status.now,
            }
            for lock in status.locks
        ],
        runs=[run_fields(run) for run in status.runs],
        held=[
            {
                "appId": entry.app,
                "resource": entry.key.resource,
                "name": entry.key.name,
                "subject": str(entry.key.subject),
                "state": entry.state.value,
                "run": entry.run,
            }
            for entry in status.held
        ],
    )


def run_fields(run: RunEntry) -> dict[str, Any]:
    return {
        "run": run.number,
        "appId": run.app,
        "environment": run.environment,
        "part": run.part,
        "planDigest": run.plan_digest,
        "state": run.state.value,
        "batches": run.batches,
        "actions": run.actions,
        "startedAt": timestamp(run.started_at),
        "endedAt": timestamp(run.ended_at),
    }
