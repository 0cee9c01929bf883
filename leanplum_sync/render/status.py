"""The status of a journal: recent runs, current locks, and actions held for a person to decide."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from leanplum_sync.journal.entry import DeliveryEntry, LockHolder, RunEntry, RunState
from leanplum_sync.journal.erasing import ErasureEntry
from leanplum_sync.render.documents import (
    ErasureRecord,
    HeldRecord,
    LockRecord,
    RunRecord,
    StatusDocument,
    entry,
    written,
)
from leanplum_sync.render.erasure import erasure_words
from leanplum_sync.render.markdown.writing import Rows, code, fitted, marker, prose, row, table
from leanplum_sync.render.page import Page
from leanplum_sync.render.paint import BAD, BLANK, CARE, FAINT, GOOD, faint, grid, heading, paint
from leanplum_sync.render.values import amount, cut, duration, escaped, moment, subject_words, timestamp
from leanplum_sync.wire.consent import resubscription_of
from leanplum_sync.wire.event import import_of

NO_RUNS: Final = "No runs yet: nothing has been applied with this journal."
NOTHING_HELD: Final = "No actions are held."
_SAMPLES_SHOWN: Final = 3
_JOURNAL_CELLS: Final = 300
_NAME_CELLS: Final = 100
_COMMENT_CELLS: Final = 200


@dataclass(frozen=True, slots=True)
class Status:
    """*runs* come latest first. *now* is when this was read, in epoch seconds. *journal* is its location, without secrets."""

    journal: str
    now: float
    locks: Sequence[LockHolder]
    runs: Sequence[RunEntry]
    held: Sequence[DeliveryEntry]
    erasures: Sequence[ErasureEntry] = ()


def status_text(status: Status, page: Page) -> str:
    lines: list[RenderableType] = [heading(cut(escaped(status.journal), _JOURNAL_CELLS)), BLANK]
    if not status.runs:
        lines += [Text(NO_RUNS)]
        return paint(lines, page)
    lines += [*_locks(status), heading("Recent runs"), runs_grid(status.runs), BLANK]
    return paint([*lines, *_erasures(status), *_held(status)], page)


def _locks(status: Status) -> list[RenderableType]:
    if not status.locks:
        return []
    rows = [(Text(lock_words(lock, status.now), CARE),) for lock in status.locks]
    return [heading("Running now"), grid(rows), BLANK]


def lock_words(lock: LockHolder, now: float) -> str:
    who = f"process {lock.pid} on {cut(escaped(lock.host))}"
    what = _with_part(lock.environment, lock.part)
    if lock.until <= now:
        return f"{what}: unlocked; the lock held by {who} has expired."
    return f"{what}: locked by {who} for {duration(now - lock.since)}; expires in {duration(lock.until - now)} unless renewed."


def _with_part(environment: str, part: str) -> str:
    name = cut(escaped(environment))
    return f"{name}, shard {cut(escaped(part))}" if part else name


def _state_style(state: RunState) -> str:
    match state:
        case RunState.FINISHED:
            return GOOD
        case RunState.PARTIAL | RunState.INTERRUPTED:
            return CARE
        case RunState.RUNNING | RunState.SUPERSEDED:
            return ""


def runs_grid(runs: Iterable[RunEntry]) -> RenderableType:
    header = tuple(map(faint, ("run", "state", "environment", "started (UTC)", "actions", "plan")))
    return grid([header, *map(_run_row, runs)], right=(0, 4))


def _run_row(run: RunEntry) -> tuple[Text, ...]:
    return (
        Text(str(run.number), "bold"),
        Text(run.state.value, _state_style(run.state)),
        Text(_with_part(run.environment, run.part)),
        Text(moment(run.started_at).removesuffix(" UTC")),
        Text(f"{run.actions:,}"),
        faint(run.plan_digest[:12]),
    )


def _erasures(status: Status) -> list[RenderableType]:
    words = list(erasure_words(status.erasures, status.now))
    return [heading("Erasures"), *(Text(each, CARE) for each in words), BLANK] if words else []


def _held(status: Status) -> list[RenderableType]:
    if not status.held:
        return [Text(NOTHING_HELD, GOOD)]
    rows = [_held_row(*key, ids) for key, ids in held_groups(status)]
    title = Text(f"Held: {amount(len(status.held), 'action')} that may or may not have happened", BAD)
    runs = sorted({each.run for each in status.held})
    decide = [faint(f"  leanplum-sync resolve {run} --done (or --again, or --drop)") for run in runs]
    return [title, grid(rows, right=(0,)), BLANK, Text("To resolve the held actions:"), *decide]


def held_groups(status: Status) -> Sequence[tuple[tuple[str, str, int], Counter[str]]]:
    """
    Return how often each subject is held, by resource, delivery and run. The events of one import are one group, and so are the
    re-subscriptions to a channel or category.
    """
    groups: defaultdict[tuple[str, str, int], Counter[str]] = defaultdict(Counter)
    for each in status.held:
        name = import_of(each.key.name) or resubscription_of(each.key.name) or each.key.name
        groups[each.key.resource, name, each.run][subject_words(str(each.key.subject))] += 1
    return list(groups.items())


def _held_row(resource: str, name: str, run: int, ids: Counter[str]) -> tuple[Text, ...]:
    samples = f"  run {run}, e.g. {', '.join(map(cut, list(ids)[:_SAMPLES_SHOWN]))}"
    return Text(f"{ids.total():,}"), Text.assemble(
        cut(escaped(f"{resource}, {name}"), _NAME_CELLS), (samples, FAINT)
    )


def status_json(status: Status) -> str:
    return written(
        StatusDocument(
            journal=status.journal,
            read_at=timestamp(status.now),
            locks=tuple(_lock_record(lock, status.now) for lock in status.locks),
            runs=tuple(map(run_record, status.runs)),
            erasures=tuple(_erasure_record(each) for each in status.erasures),
            held=tuple(entry(HeldRecord, each.key, each, app_id=each.app) for each in status.held),
        )
    )


def _erasure_record(erased: ErasureEntry) -> ErasureRecord:
    return entry(
        ErasureRecord,
        erased,
        app_id=erased.app,
        erased_at=timestamp(erased.erased_at),
        due_at=timestamp(erased.due_at),
        checked_at=timestamp(erased.checked_at),
    )


def _lock_record(lock: LockHolder, now: float) -> LockRecord:
    return entry(
        LockRecord,
        lock,
        app_id=lock.app,
        since=timestamp(lock.since),
        until=timestamp(lock.until),
        is_live=lock.until > now,
    )


def run_record(run: RunEntry) -> RunRecord:
    return entry(
        RunRecord,
        run,
        run=run.number,
        app_id=run.app,
        started_at=timestamp(run.started_at),
        ended_at=timestamp(run.ended_at),
    )


def status_markdown(status: Status, limit: int) -> str:
    title = f"### Journal {code(cut(escaped(status.journal)))}"
    if not status.runs:
        return fitted([marker("status"), title, NO_RUNS], limit)
    return fitted(
        [
            marker("status"),
            title,
            _held_words(status),
            _markdown_held(status),
            Rows("", [f"- {prose(each)}" for each in erasure_words(status.erasures, status.now)]),
            Rows(
                "", [f"- {prose(cut(lock_words(lock, status.now), _COMMENT_CELLS))}" for lock in status.locks]
            ),
            Rows(
                table("Run:", "State", "Environment", "Started", "Actions:", "Plan"),
                list(map(_markdown_run, status.runs)),
                "run",
                "`leanplum-sync journal list` lists all of them",
            ),
        ],
        limit,
    )


def _held_words(status: Status) -> str:
    if not status.held:
        return f"**{NOTHING_HELD}**"
    return (
        f"> [!CAUTION]\n> {amount(len(status.held), 'action')} held: they may or may not have happened. A person"
        " must decide with `leanplum-sync resolve`."
    )


def _markdown_held(status: Status) -> Rows:
    lines = [
        row(
            f"**{ids.total():,}**",
            code(cut(resource)),
            code(cut(name)),
            str(run),
            ", ".join(code(cut(each)) for each in list(ids)[:_SAMPLES_SHOWN]),
        )
        for (resource, name, run), ids in held_groups(status)
    ]
    return Rows(
        table("Held:", "Spec", "Name", "Run:", "Examples"),
        lines,
        "group",
        "`leanplum-sync status` lists all of them",
    )


def _markdown_run(run: RunEntry) -> str:
    return row(
        str(run.number),
        run.state.value,
        code(cut(escaped(run.environment))),
        moment(run.started_at),
        f"{run.actions:,}",
        f"`{run.plan_digest[:12]}`",
    )
