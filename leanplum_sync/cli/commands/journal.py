"""``journal``: the record of what was sent, in more detail than ``status`` shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

import click

from leanplum_sync.applier.settings import EXCEPTIONS_LISTED
from leanplum_sync.cli.command import Command, Group, in_project
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import duration_option
from leanplum_sync.cli.options.runs import known_run, latest_run, run_argument
from leanplum_sync.cli.options.written import EXPORT, written_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_option
from leanplum_sync.cli.project import settings_here
from leanplum_sync.cli.shell import shortest
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import StalePlanError
from leanplum_sync.journal import open_journal, read_journal
from leanplum_sync.journal.copying import copy_journal
from leanplum_sync.journal.database import describe, is_address
from leanplum_sync.journal.entry import DeliveryState, RunState
from leanplum_sync.journal.export import lines, write_ndjson, write_parquet
from leanplum_sync.journal.sign import sign_journal
from leanplum_sync.journal.soundness import Fault
from leanplum_sync.library.journal_here import lapse_here
from leanplum_sync.library.kept_files import fetch
from leanplum_sync.library.rebuild import rebuild
from leanplum_sync.project.kept_plans import needed, prune
from leanplum_sync.project.settings import kept_name
from leanplum_sync.render.journal import (
    ShownRun,
    copied_json,
    copied_text,
    faults_json,
    faults_text,
    rebuilt_json,
    rebuilt_text,
    run_json,
    run_text,
    runs_json,
    runs_text,
)
from leanplum_sync.render.values import amount
from leanplum_sync.sources.connections import kept_index

_VARIABLE: Final = "env:"  # an address may hold a password, which must not be given on the command line
_WRITERS: Final = {".ndjson": write_ndjson, ".jsonl": write_ndjson, ".parquet": write_parquet}


@click.group("journal", cls=Group)
def command() -> None:
    """
    List, show, check, copy, rebuild, sign, and export the journal.

    The journal records what was sent and what became of it. It holds user ids but no attribute
    values, except in API messages and in encrypted files. Use `resolve`
    for held sends.
    """


@command.command("copy", cls=Command)
@click.argument("source", metavar="FROM")
@output_option
@in_project
def copy_command(console: Console, source: str) -> None:
    """
    Copy the journal at FROM into the project's journal.

    The project's journal must be empty. FROM is a file, or env:NAME to take the address from the
    environment variable NAME. Either everything is copied or nothing is, and no run may be using FROM. FROM
    is left unchanged: archive it, so that nobody uses it again.
    """
    target = settings_here().journal
    counts = copy_journal(_location(source, os.environ), target)
    names = source if source.startswith(_VARIABLE) else describe(shortest(Path(source))), describe(target)
    deliver(
        console,
        text=lambda page: copied_text(counts, names[1], page),
        json=lambda: copied_json(counts, *names),
    )
    console.say(f"From now on, use only the new journal. Archive {source}, so that nobody uses it again.")


def _location(source: str, environ: Mapping[str, str]) -> str | Path:
    if not source.startswith(_VARIABLE):
        if "://" in source:
            raise click.UsageError(
                "The address may contain a password: put it in an environment variable and pass env:NAME."
            )
        return Path(source)
    name = source.removeprefix(_VARIABLE)
    if not environ.get(name):
        raise click.UsageError(f"The variable {name} is not set.")
    return environ[name]


@command.command("list", cls=Command)
@output_option
@in_project
def list_command(console: Console) -> None:
    """List all runs, latest first. With -e, show only the runs of that environment."""
    settings = settings_here()
    with read_journal(settings.journal) as journal:
        runs = journal.runs(environment=remembered("environment"))
    if lapse := lapse_here(settings):
        console.complain(lapse)
    deliver(console, text=lambda page: runs_text(runs, page), json=lambda: runs_json(runs))


@command.command("show", cls=Command)
@run_argument
@output_option
@in_project
def show_command(console: Console, run: int) -> None:
    """Show the actions and batches of one run, and which actions are not done."""
    with read_journal(settings_here().journal) as journal:
        shown = ShownRun(
            run=known_run(journal, run),
            tally=journal.tally(run),
            batches=tuple(journal.batches(run)),
            exceptions=tuple(islice(journal.exceptions(run), EXCEPTIONS_LISTED)),
            exceptions_total=journal.count_exceptions(run),
        )
    deliver(console, text=lambda page: run_text(shown, page), json=lambda: run_json(shown))


@command.command("verify", cls=Command)
@output_option
@in_project
def verify_command(console: Console) -> ExitCode:
    """
    Check that the journal is consistent, and is the latest copy of the one that earlier runs wrote.

    Nothing is changed. Exit code 7: the journal is not consistent, or it was lost, emptied, or replaced by an
    older copy or a different journal; the faults are listed.
    """
    settings = settings_here()
    name = describe(shortest(settings.journal))
    with read_journal(settings.journal, is_checked=False) as journal:
        found = tuple(journal.faults())
    lapse = lapse_here(settings)
    faults = (*([Fault(0, None, lapse)] if lapse else []), *found)
    deliver(
        console,
        text=lambda page: faults_text(faults, name, page),
        json=lambda: faults_json(faults, name),
    )
    return ExitCode.STALE_PLAN if faults else ExitCode.OK


@command.command("rebuild", cls=Command)
@click.argument(
    "receipts", metavar="[RECEIPT]...", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@output_option
@in_project
def rebuild_command(console: Console, receipts: tuple[Path, ...]) -> None:
    """
    Rebuild a lost journal from event logs and kept plans.

    Event logs and kept plans are in .leanplum-sync. RECEIPT is the JSON output of an apply (-o json), which
    has more details. A send or increment that may have happened is held. Anything that can't be determined is
    listed, and the next apply with sends then needs --new-journal. The journal must be missing or empty:
    move a damaged file, or an older copy, away first.
    """
    settings = settings_here()
    rebuilt = rebuild(settings, receipts)
    name = describe(shortest(settings.journal))
    deliver(
        console, text=lambda page: rebuilt_text(rebuilt, name, page), json=lambda: rebuilt_json(rebuilt, name)
    )


@command.command("fetch", cls=Command)
@click.argument("run", metavar="[RUN]", type=click.IntRange(min=1), required=False)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="The folder to write to. Default: .leanplum-sync.",
)
@in_project
def fetch_command(console: Console, run: int | None, out: Path | None) -> None:
    """
    Fetch RUN's plan, receipt, and files of rejected, held, and conflicting rows from a shared journal.

    Prints the path of each fetched file, starting with the plan (run-RUN.lpplan). RUN defaults to the latest run
    of the environment. A shared journal keeps these files, encrypted, if LEANPLUM_SYNC_PLAN_KEY is set when a
    plan is applied. This lets you continue a run on another machine with `apply --resume`, or inspect it with
    `show` and `explain`.
    """
    settings = settings_here()
    with read_journal(settings.journal) as journal:
        entry = known_run(journal, run) if run else latest_run(journal, settings.name)
        files = fetch(journal, entry, out or settings.state_folder)
    if not files:
        raise StalePlanError(
            f"The journal doesn't keep any files of run {entry.number}. The machine that applied its plan may still have it, as"
            f" .leanplum-sync/applied/{kept_name(entry.plan_digest)}."
        )
    console.document("".join(f"{shortest(path)}\n" for path in files))


@command.command("export", cls=Command)
@click.argument("run", metavar="[RUN]", type=click.IntRange(min=1), required=False)
@written_option(
    "--out", written=EXPORT, help="The .ndjson or .parquet file to write. Default: NDJSON on standard output."
)
@in_project
def export_command(console: Console, run: int | None, out: Path | None) -> None:
    """
    Export the records of all runs, or of RUN.

    Records are runs, batches, exceptions, and deliveries; the column `record` says which. NDJSON has one
    record per line; Parquet has all of them in one table.
    """
    if out is not None and out.suffix.lower() not in _WRITERS:
        raise click.UsageError(f"{out}: the name must end with one of {', '.join(_WRITERS)}.")
    with read_journal(settings_here().journal) as journal:
        runs = [known_run(journal, run).number] if run else [entry.number for entry in journal.runs()][::-1]
        if out is None:
            console.document(b"".join(lines(journal, runs)).decode())
        else:
            out.parent.mkdir(parents=True, exist_ok=True)
            _WRITERS[out.suffix.lower()](journal, runs, out)


@command.command("upgrade", cls=Command)
@in_project
def upgrade_command(console: Console) -> None:
    """
    Upgrade a journal of an older version to the current format.

    Commands that write to the journal upgrade it automatically.
    """
    settings = settings_here()
    with open_journal(settings.journal):
        console.say(f"{describe(shortest(settings.journal))} is up to date.")


@command.command("sign", cls=Command)
@in_project
def sign_command(console: Console) -> None:
    """
    Sign a journal that was created without LEANPLUM_SYNC_PLAN_KEY.

    If the key is set, records that were altered or written without the key are refused (exit code 7). A journal
    that is created while the key is set is signed from the start. Sign an older journal once, after making sure
    that it can be trusted. After you add a new key in front, sign the journal again. No run may be using it.
    """
    settings = settings_here()
    signed = sign_journal(settings.journal)
    console.say(
        f"{describe(shortest(settings.journal))} is signed: {amount(signed.runs, 'run')},"
        f" {amount(signed.batches, 'batch')}."
    )


@command.command("prune", cls=Command)
@duration_option(
    "--older-than",
    default="90d",
    help="How long to keep plans (for undo) after their runs ended, and rows after they were read, such as 30d. Default: 90d.",
)
@in_project
def prune_command(console: Console, older_than: float) -> None:
    """
    Delete plans in .leanplum-sync/applied, and rows in .leanplum-sync/rows, that are no longer needed.

    A plan is kept while one of its runs is unfinished or holds a send, and while `undo` may need it. In a shared
    journal, the plans, receipts, and leftover rows that it keeps are deleted too. Its records are never deleted.
    """
    settings = settings_here()
    with read_journal(settings.journal) as journal:
        holding = {entry.run for entry in journal.deliveries(states=(DeliveryState.HELD,))}
        runs = [
            replace(run, state=RunState.PARTIAL) if run.number in holding else run for run in journal.runs()
        ]
    before = SystemClock().now() - older_than
    plans = needed(runs, before)
    removed = prune(settings.kept_plans, plans)
    of_journal = _prune_shared(settings.journal, plans, before)
    rows = kept_index.prune(settings.root, before)
    for path in (*removed, *rows):
        console.document(str(shortest(path)))
    of_rows = f" and {amount(len(rows), 'file')} of rows" if rows else ""
    console.say(f"Deleted {amount(len(removed), 'plan')}{of_rows}.")
    if of_journal:
        console.say(
            f"Deleted {amount(of_journal, 'file')} of runs from {describe(settings.journal).lower()}."
        )


def _prune_shared(location: str | Path, plans: Mapping[str, bool], before: float) -> int:
    if not is_address(location):
        return 0
    with open_journal(location) as journal:
        return journal.prune_files(plans.get, before)
