"""``journal rebuild``: finds what is left of the runs of a lost journal, and writes it into a new one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson

from leanplum_sync.errors import StalePlanError, UsageError
from leanplum_sync.journal.database import is_address
from leanplum_sync.journal.entry import Fate
from leanplum_sync.journal.rebuilding import Logged, LoggedRun, missing, outcomes
from leanplum_sync.journal.restoring import FoundBatch, FoundRun, Restored
from leanplum_sync.library.connect import target_of
from leanplum_sync.library.journal_here import journal_here, open_for
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planner.known import JournalMark
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.values import amount
from leanplum_sync.wire.convert import END_OF_9999

_MOST_RUNS: Final = 1 << 31
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_Listed = Mapping[int, Mapping[int, Fate]]  # by batch and action


def rebuild(settings: Settings, receipts: Sequence[Path]) -> Restored:
    """
    Rebuild the journal of the environment from event logs, kept plans and *receipts* (JSON documents of ``apply``).

    If nothing is unknown, the journal is accepted as complete. That of an embedded emulator is accepted in any case: it
    sends nothing real.

    Raises:
        JournalError: the journal has runs; nothing was changed.
        UsageError: there is no log of the app, or a receipt can't be read.
    """
    target = target_of(settings)
    app = target.app_id
    here = journal_here(settings, app)
    logs = sorted(_logs(settings.state_folder, app), key=lambda run: run.started_at)
    if not logs:
        raise UsageError(
            f"{settings.state_folder} has no event log of this app: there is nothing to rebuild the journal from."
        )
    _number_again(logs)
    unknown = [*_gaps(settings.state_folder, logs, is_shared=is_address(settings.journal))]
    listed = _listed(receipts)
    with ExitStack() as stack:
        found = []
        for run in logs:
            plan = _kept(settings, run, stack)
            unknown += _unknown(run, plan)
            found.append(_found(run, plan, settings.name, listed.get((run.plan, run.number), {})))
        identity = _identity(logs, here.remembered)
        journal = stack.enter_context(open_for(settings, app, as_it_is=True))
        with journal.acquire(app, settings.name) as lease:
            restored = journal.restore(lease, found, identity)
            is_accepted = not unknown or target.is_embedded
            if is_accepted:
                journal.accept(lease)
    return replace(restored, unknown=tuple(unknown), is_accepted=is_accepted)


def _logs(folder: Path, app: str) -> Iterator[LoggedRun]:
    for path in sorted(folder.glob("run-*.events.ndjson")):
        run: LoggedRun | None = None
        for line in path.read_bytes().splitlines():
            run = _add(run, line)
            if run is None:
                break
        if run is not None and _app(path) == app:
            yield run


def _app(path: Path) -> str:
    """Return the app in the first event; empty if it names none."""
    return str(orjson.loads(path.read_bytes().splitlines()[0]).get("app", ""))


def _add(run: LoggedRun | None, line: bytes) -> LoggedRun | None:
    """Add the event of *line* to *run*, or begin it; None if a log begins with anything else."""
    try:
        event = orjson.loads(line)
        if run is None:
            return _begun(event)
        run.ended_at = _time(event["at"])
        match event:
            case {"event": "batch", "batch": int(number)}:
                run.batches.setdefault(number, Logged()).add(event)
                run.has_ended = False
            case {"event": "run", "state": state, "mark": int(mark)}:
                run.has_ended = state != "running"
                run.mark = mark
            case _:
                pass
    except (ValueError, KeyError, TypeError, AttributeError):
        if run is not None:
            run.unreadable += 1
    return run


def _identity(logs: Sequence[LoggedRun], remembered: JournalMark | None) -> JournalMark:
    """Return the mark of the journal of the latest run, or the most that the logs show, if another journal was used since."""
    journal = logs[-1].journal
    if remembered is not None and remembered.id == journal:
        return remembered
    shown = sum(1 + sum(each.was_sent for each in run.batches.values()) for run in logs)
    return JournalMark(journal, max(shown, *(run.mark for run in logs if run.journal == journal)))


def _begun(event: Mapping[str, Any]) -> LoggedRun:
    """
    Raises:
        ValueError, KeyError, TypeError: *event* is not the first of a log.
    """
    at, number, plan, mark = _time(event["at"]), event["run"], event["plan"], event["mark"]
    if (
        type(mark) is not int
        or type(number) is not int
        or not 0 < number < _MOST_RUNS
        or not _DIGEST.fullmatch(plan)
    ):
        raise ValueError("not an event that begins a run")
    return LoggedRun(str(event["journal"]), number, plan, at, at, mark=mark)


def _time(value: Any) -> float:
    if not 0 <= (seconds := float(value)) <= END_OF_9999:
        raise ValueError("not a time")
    return seconds


def _number_again(logs: Sequence[LoggedRun]) -> None:
    """Give runs of earlier journals, whose numbers are taken by now, numbers after all others."""
    taken = {run.number for run in logs if run.journal == logs[-1].journal}
    following = max(taken) + 1
    for run in logs:
        if run.journal != logs[-1].journal:
            run.number, following = following, following + 1


def _gaps(folder: Path, logs: Sequence[LoggedRun], *, is_shared: bool) -> Iterator[str]:
    """Yield what no log can show. Runs of other apps count: they are numbered with these."""
    journal = logs[-1].journal
    numbers = set()
    for path in sorted(folder.glob("run-*.events.ndjson")):
        run = _add(None, next(iter(path.read_bytes().splitlines()), b""))
        if run is None or not _app(path):
            yield f"{path.name} is damaged at its start, so it doesn't show what its run sent."
        elif run.journal == journal:
            numbers.add(run.number)
    for first, last in missing(numbers):
        yield f"Run {first} has no log." if first == last else f"Runs {first} to {last} have no log."
    if is_shared:
        yield "Logs of runs on other machines are not available here."


def _kept(settings: Settings, run: LoggedRun, stack: ExitStack) -> PlanFile | None:
    try:
        return stack.enter_context(open_plan(settings.kept_plan(run.plan)))
    except StalePlanError:
        return None


def _unknown(run: LoggedRun, plan: PlanFile | None) -> Iterator[str]:
    name = f"Run {run.number}"
    if run.unreadable:
        are = "is" if run.unreadable == 1 else "are"
        yield (
            f"{name}: {amount(run.unreadable, 'line')} of its log {are} damaged, so all its sends, increments, and past events without an"
            " outcome are held."
        )
    elif not run.has_ended:
        yield f"{name} was cut off: if the machine lost power, its last requests are not in the log."
    if plan is None and any(logged.was_sent for logged in run.batches.values()):
        yield f"{name}: its plan is no longer in .leanplum-sync/applied, so its sends can't be rebuilt."


def _found(run: LoggedRun, plan: PlanFile | None, environment: str, listed: _Listed) -> FoundRun:
    if plan is None:
        return FoundRun(run, environment)
    header, summary = plan.header, plan.summary
    return FoundRun(
        run,
        header.target.environment,
        header.created_at,
        summary.batches,
        summary.actions,
        _batches(run, plan, listed),
    )


def _batches(run: LoggedRun, plan: PlanFile, listed: _Listed) -> Iterator[FoundBatch]:
    for batch in plan.batches():
        logged = run.batch(batch.number)
        if logged.was_sent:
            found = tuple(outcomes(batch, logged, listed.get(batch.number, {})))
            yield FoundBatch(batch, logged, found)


def _listed(receipts: Sequence[Path]) -> Mapping[tuple[str, int], _Listed]:
    """Return the exceptions of each receipt that lists all of them, by plan and run."""
    found: dict[tuple[str, int], _Listed] = {}
    for path in receipts:
        receipt = _receipt(path)
        try:
            of_run: dict[int, dict[int, Fate]] = defaultdict(dict)
            for each in receipt["exceptions"]:
                of_run[int(each["batch"])][int(each["action"])] = Fate(each["fate"])
            if receipt["exceptionsTotal"] == len(receipt["exceptions"]):
                found[str(receipt["planDigest"]), int(receipt["run"])] = of_run
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} is damaged: it is not a valid receipt.") from error
    return found


def _receipt(path: Path) -> Any:
    try:
        receipt = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        receipt = None
    match receipt:
        case {"format": "leanplum-sync/receipt"}:
            return receipt
        case _:
            raise UsageError(f"{path} is not a receipt: pass the JSON output of an apply.")
