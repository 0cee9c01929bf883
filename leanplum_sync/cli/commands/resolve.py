"""``resolve``: a person decides about held sends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import click

from leanplum_sync.address import Subject
from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import file_option
from leanplum_sync.cli.options.ids import id_column_option, subjects_named
from leanplum_sync.cli.options.runs import known_run, run_argument
from leanplum_sync.cli.options.waiting import waiting_for_lock
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_option
from leanplum_sync.cli.project import settings_of, specs_here
from leanplum_sync.cli.shell import quoted
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import CredentialError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import ExceptionEntry, Fate, Resolution, RunEntry, RunState
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.journal.settling import check_settled
from leanplum_sync.library.connect import SETTLES_SECONDS, settle_seconds
from leanplum_sync.library.journal_here import open_for
from leanplum_sync.library.kept_files import fetched_name
from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.documents import Resolved, written
from leanplum_sync.render.resolve import resolved_text, words_of
from leanplum_sync.render.values import amount


@click.command("resolve", cls=Command)
@run_argument
@click.option("--done", "choice", flag_value=Resolution.DONE.value, help=words_of(Resolution.DONE).choice)
@click.option("--again", "choice", flag_value=Resolution.AGAIN.value, help=words_of(Resolution.AGAIN).choice)
@click.option("--drop", "choice", flag_value=Resolution.DROP.value, help=words_of(Resolution.DROP).choice)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Resolve only this batch; may be repeated. Default: all batches.",
)
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="USER",
    help="Resolve only this userId or device:ID; may be repeated. Default: all users.",
)
@file_option(
    "--from", "from_file", exists=True, help="Resolve only the users in this data file. Default: all users."
)
@id_column_option
@click.option("--yes", is_flag=True, help="Don't ask for confirmation. Required without a terminal.")
@output_option
@in_project
@waiting_for_lock
def command(
    console: Console,
    *,
    run: int,
    choice: str | None,
    batches: tuple[int, ...],
    users: tuple[str, ...],
    from_file: Path | None,
    id_column: str | None,
    yes: bool,
) -> ExitCode:
    """
    Resolve the held actions of run RUN, which may or may not have happened.

    Pass exactly one of --done, --again, or --drop. It applies to all held actions, or to the batches and
    users you specify. A decision is final. Exit code 5: some actions are still held, or it is too early to
    decide, because an unanswered request may still take effect.
    """
    if choice is None:
        raise click.UsageError("Pass exactly one of --done, --again, or --drop.")
    resolution = Resolution(choice)
    loaded, project = specs_here()
    named = frozenset(subjects_named(users, from_file, id_column, loaded))
    wanted = named if users or from_file else None
    settings = settings_of(project, loaded.root)
    with read_journal(settings.journal) as reading:
        entry = known_run(reading, run)
        held = _held(reading, entry, batches, wanted)
        window = _settle_seconds(entry, project, loaded.root)
        _check_settled(reading, run, held, window)
    if not yes:
        named_actions = amount(sum(map(len, held.values())), "held action")
        named_users = amount(len(_subjects(held)), "user")
        console.confirm(
            f"Run {run} in {entry.environment}: {named_actions} of {named_users} {words_of(resolution).consequence}.",
            unattended="There is no terminal to confirm on. Add --yes to skip the question. Nothing was changed.",
            stopped="Stopped; nothing was changed.",
        )
    with (
        open_for(settings, entry.app) as journal,
        journal.acquire(entry.app, entry.environment, part=entry.part) as lease,
    ):
        actions = sum(
            journal.resolve(
                lease,
                run,
                resolution,
                sequence=batch,
                actions=[each.action for each in of_batch],
                settle_seconds=window,
            )
            for batch, of_batch in held.items()
        )
        left = sum(1 for _ in journal.exceptions(run, [Fate.HELD]))
        entry = known_run(journal, run)
        is_kept = bool(journal.kept_files(entry))
    resolved = Resolved(run, resolution, actions, len(_subjects(held)), tuple(held), left)
    deliver(console, text=lambda page: resolved_text(resolved, page), json=lambda: written(resolved))
    if resolution is Resolution.AGAIN:
        console.say(_next_step(entry, settings, is_kept=is_kept))
    return ExitCode.IN_DOUBT if left else ExitCode.OK


def _settle_seconds(run: RunEntry, project: ProjectFile, root: Path) -> float:
    """Return the window of the run's environment, or the real API's if the project no longer has it."""
    if run.environment not in project.environments:
        return SETTLES_SECONDS
    try:
        return settle_seconds(settings_of(project, root, run.environment))
    except CredentialError:
        return SETTLES_SECONDS


def _held(
    journal: JournalReader, run: RunEntry, batches: Collection[int], wanted: frozenset[Subject] | None
) -> Mapping[int, Sequence[ExceptionEntry]]:
    """
    Return the held actions to decide about, by batch.

    Raises:
        click.UsageError: there are none.
    """
    found: dict[int, list[ExceptionEntry]] = defaultdict(list)
    for entry in journal.exceptions(run.number, [Fate.HELD]):
        if (not batches or entry.sequence in batches) and (wanted is None or entry.subject in wanted):
            found[entry.sequence].append(entry)
    if not found:
        chosen = " for the batches and users you specified" if batches or wanted is not None else ""
        raise click.UsageError(
            f"Run {run.number} has no held actions{chosen}. `leanplum-sync status` lists all held actions."
        )
    return found


def _check_settled(journal: JournalReader, run: int, batches: Collection[int], settle_seconds: float) -> None:
    """
    Check all *batches* before deciding about the first. What a clock dated that was ahead is dated again
    when it is decided.

    Raises:
        TooEarlyError: a request of one of them may still take effect.
    """
    now = SystemClock().now() + journal.ahead()
    for batch in journal.batches(run):
        if batch.sequence in batches and (batch.doubted_at or 0.0) <= now:
            check_settled(batch.sequence, batch.doubted_at, settle_seconds=settle_seconds, now=now)


def _subjects(held: Mapping[int, Sequence[ExceptionEntry]]) -> frozenset[Subject]:
    return frozenset(entry.subject for entries in held.values() for entry in entries)


def _next_step(run: RunEntry, settings: Settings, *, is_kept: bool) -> str:
    if run.state is RunState.SUPERSEDED:
        return "\nA later plan has replaced this one. To send again, make a new plan."
    plan = settings.kept_plan(run.plan_digest)
    if plan.exists():
        return f"\nTo send again: leanplum-sync apply {quoted(plan)} --resume"
    if is_kept:
        fetched = quoted(settings.state_folder / fetched_name(run))
        return f"\nTo send again: leanplum-sync journal fetch {run.number} && leanplum-sync apply {fetched} --resume"
    return "\nTo send again: leanplum-sync apply PLAN --resume"
