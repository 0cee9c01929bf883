"""``undo``: makes a plan that reverts a run. It writes nothing to the app; ``apply`` does."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.commands.plan import conclude
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import allow_lookups_option, file_option
from leanplum_sync.cli.options.runs import known_run, run_argument
from leanplum_sync.cli.options.written import PLAN, written_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import show_plan
from leanplum_sync.cli.output.outputs import output_options
from leanplum_sync.cli.project import naming_all_missing, project_file, settings_of
from leanplum_sync.cli.shell import quoted
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import StalePlanError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.entry import BatchState, RunEntry
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.journal.settling import check_settled
from leanplum_sync.library.connect import settle_seconds, target_of
from leanplum_sync.library.kept_files import plan_of
from leanplum_sync.library.reading import live_into
from leanplum_sync.operations.plan import PlanRequest
from leanplum_sync.operations.undo import make_undo
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.values import amount, noun_for
from leanplum_sync.specs import load_project
from leanplum_sync.staging import Staging
from leanplum_sync.wire.catalogue import KeyClass


@click.command("undo", cls=Command)
@run_argument
@file_option(
    "--plan",
    "of_run",
    help="The plan that the run applied. Default: the copy in .leanplum-sync/applied or in the shared journal.",
)
@written_option(
    "--out", written=PLAN, help="Where to write the plan. Default: undo-RUN.lpplan in .leanplum-sync."
)
@allow_lookups_option
@output_options("text", "json", "markdown", "html")
@in_project
def command(
    console: Console, *, run: int, of_run: Path | None, out: Path | None, allow_lookups: int | None
) -> ExitCode:
    """
    Create a plan that reverts run RUN.

    The plan restores the earlier values of users who have not changed since the run, and the other users
    are listed. Messages can't be unsent, and the journal still counts them as sent. Nothing is written to
    the app. Exit code 5: it is too early to undo the run, because an unanswered request may still take
    effect.
    """
    file = project_file()
    project = load_project(file)
    with read_journal(settings_of(project, file.parent).journal) as journal:
        entry = known_run(journal, run)
        if entry.is_recorded:
            raise click.UsageError(
                f"Run {run} recorded sends that were made elsewhere. It changed nothing in the app."
            )
        if any(erased.run == run for erased in journal.erasures(entry.app)):
            raise click.UsageError(f"Run {run} erased users, which can't be undone.")
        settings = settings_of(project, file.parent, entry.environment)
        with naming_all_missing(project, entry.environment, [KeyClass.DATA_EXPORT]):
            _check_settled(journal, run, settle_seconds(settings))
        out = out or settings.state_folder / f"undo-{run}.lpplan"
        moved_file = settings.state_folder / f"undo-{run}.moved.csv"
        reading = settings.state_folder / f"undo-{run}.reading.ndjson"
        limits = settings.environment.limits
        live = live_into(reading, limits)
        with _plan_of(entry, of_run or plan_of(journal, entry, settings)) as plan:
            with naming_all_missing(project, entry.environment, [KeyClass.DATA_EXPORT]):
                _check_target(plan, settings)
            if plan.summary.changed:
                settings_of(project, file.parent, entry.environment, needs=[KeyClass.DATA_EXPORT])
            request = PlanRequest(
                target=target_of(settings),
                out=out,
                observed=live,
                budget=settings.budget,
                sensitive=settings.sensitive | plan.header.sensitive,
                requests_per_second=limits.requests_per_second,
            )
            with (
                Staging(settings.state_folder) as staging,
                connected(settings, "undo", allowed_lookups=allow_lookups) as app,
            ):
                made = make_undo(
                    run,
                    plan,
                    staging,
                    request,
                    replace(live, admit=app.costs.admit),
                    reader=app.reader(),
                    journal=journal,
                    clock=SystemClock(),
                    progress=console.progress(),
                )
                app.costs.about(run=run, plan_digest=made.digest)
    reading.unlink(missing_ok=True)
    _list(made.moved_on, moved_file)
    with open_plan(out) as opened:
        show_plan(opened, console)
        code = conclude(opened, console, detailed_exitcode=False)
    if made.moved_on:
        kinds = {each.kind for each in made.moved_on}
        things = {kind for kind in kinds if kind.is_thing}
        what = noun_for(things, with_users=kinds > things)
        console.say(
            f"{amount(len(made.moved_on), what)} {'has' if len(made.moved_on) == 1 else 'have'} changed since the run and {'is' if len(made.moved_on) == 1 else 'are'} left alone: see {quoted(moved_file)}"
        )
    return code


def _check_settled(journal: JournalReader, run: int, window: float) -> None:
    """
    Raises:
        TooEarlyError: a request of the run may still take effect, after the undo plan has read the live
        state.
    """
    now = SystemClock().now() + journal.ahead()
    for batch in journal.batches(run, [BatchState.SENT, BatchState.IN_DOUBT, BatchState.HELD]):
        asked_at = batch.sent_at if batch.state is BatchState.SENT else batch.doubted_at
        check_settled(batch.sequence, asked_at, settle_seconds=window, now=now)


def _plan_of(run: RunEntry, path: Path) -> PlanFile:
    """
    Raises:
        StalePlanError: the plan does not exist, or belongs to another run.
    """
    if not path.is_file():
        raise StalePlanError(
            f"The plan of run {run.number}, which holds the values to restore, is not at {path}, and the journal has no"
            " copy of it. Pass another copy with --plan."
        )
    plan = open_plan(path)
    if plan.digest != run.plan_digest:
        plan.close()
        raise StalePlanError(f"{path} is not the plan that run {run.number} applied.")
    return plan


def _check_target(plan: PlanFile, settings: Settings) -> None:
    target = target_of(settings)
    if (plan.header.target.app_id, plan.header.target.host) != (target.app_id, target.host):
        raise StalePlanError(
            f"{plan.path} was made for app {plan.header.target.app_id} at {plan.header.target.host}, but {settings.name} uses"
            f" app {target.app_id} at {target.host}."
        )


def _list(subjects: Sequence[Subject], path: Path) -> None:
    path.unlink(missing_ok=True)
    if not subjects:
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        kinds = {SubjectKind.USER, SubjectKind.DEVICE, *(each.kind for each in subjects)}
        columns = [kind.id_argument for kind in sorted(kinds, reverse=True)]
        lines = csv.DictWriter(file, columns, lineterminator="\n")
        lines.writeheader()
        lines.writerows({each.kind.id_argument: each.id} for each in subjects)
