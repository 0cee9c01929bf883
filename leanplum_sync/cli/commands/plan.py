"""``plan``: what would change, what it costs and what is risky. It has only a reader and can't write."""

from __future__ import annotations

from pathlib import Path

import click

from leanplum_sync.cli.command import Command, in_project, specs_argument
from leanplum_sync.cli.connect import RetryNotice, tell, tell_changed_seed
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import allow_lookups_option, duration_option
from leanplum_sync.cli.options.checking import (
    listing_file,
    memory_option,
    observed_as,
    parts_option,
    plan_observed_option,
    problems_option,
    set_option,
    shard_option,
)
from leanplum_sync.cli.options.written import PLAN, written_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import advise, all_groups_option, checked_of, show_plan, show_problems
from leanplum_sync.cli.output.outputs import asked_for, output_options
from leanplum_sync.cli.project import environment_here, project_file, settings_of
from leanplum_sync.cli.shell import quoted
from leanplum_sync.errors import SpecError
from leanplum_sync.library.planning import Chosen, PlanFileRequest, keys_for, select_resources, write_plan
from leanplum_sync.library.reading import own
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import pending_exports
from leanplum_sync.render.plan_words import consent_options, over_budget
from leanplum_sync.render.problems import checked_text
from leanplum_sync.render.values import escaped
from leanplum_sync.specs import load
from leanplum_sync.specs.covering import check_selection, covered
from leanplum_sync.staging import MEMORY_LIMIT_MB


@click.command("plan", cls=Command)
@specs_argument
@plan_observed_option
@duration_option(
    "--max-age",
    help="Maximum age of the snapshot, or of what the baseline shows, such as 30m or 2h. With it, query results no older than TIME are reused too. With export, jobs that an interrupted plan started within TIME are continued, by default 1h. Default: no limit for a snapshot FILE and the baseline; with live, every user is read again.",
)
@written_option(
    "--out", written=PLAN, help="Where to write the plan. Default: ENVIRONMENT.lpplan in .leanplum-sync."
)
@click.option(
    "--select",
    multiple=True,
    metavar="GLOB",
    help="Include only specs whose kind/name matches, such as UserAttributes/loyalty-*; may be repeated. Default: all.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Exclude specs whose kind/name matches; may be repeated. Default: none.",
)
@set_option
@parts_option
@shard_option(
    "Plan only part N of M of the users; all specs are still checked. apply then locks only that part. Default: all users."
)
@all_groups_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2, not 0, if there are changes.")
@click.option(
    "--moved-since",
    type=click.Choice(["export"]),
    help="With --observed journal, also read users who were active since they were last read or written, according to an export of their sessions. It lacks some sessions, so it never shows that a user has not changed. Takes one of 24 exportData jobs a day. Default: no sessions are exported.",
)
@problems_option
@allow_lookups_option
@memory_option(MEMORY_LIMIT_MB)
@output_options("text", "json", "ndjson", "markdown", "html", "sarif", "github")
@in_project
def command(
    console: Console,
    *,
    specs: tuple[Path, ...],
    observed: str | None,
    max_age: float | None,
    out: Path | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    given: tuple[tuple[str, str], ...],
    parts: int,
    shard: Part | None,
    moved_since: str | None,
    problems: Path | None,
    allow_lookups: int | None,
    memory: int,
    all_groups: bool,
    detailed_exitcode: bool,
) -> ExitCode:
    """
    Compare the specs with the live state and write a plan.

    SPEC is a spec file or a folder; by default, all specs of the project. Nothing is written to the app,
    and read-only keys are enough. Exit code 6: the plan is over the project's budget.
    """
    if parts > 1 and shard is not None:
        raise click.UsageError("--shard plans for a single process and can't be combined with --parts.")
    loaded = select_resources(load(project_file(), specs), select, exclude)
    if loaded.project is None:
        return _report(SpecError(loaded.problems), console, loaded.root, remembered("environment") or "")
    source = observed_as(observed)
    environment = environment_here(loaded.project)
    if environment is not None:
        check_selection(loaded, environment, select, is_chosen=bool(specs))
    reads = covered(loaded, environment) if environment is not None else loaded
    needs = keys_for(reads, reads_users=not isinstance(source, Path))
    settings = settings_of(loaded.project, loaded.root, needs=needs)
    console.say_more(
        f"Project {loaded.root}, environment {settings.name}, plan {out or settings.default_plan}."
    )
    if not loaded.problems:
        advise(loaded.notes, console)
    request = PlanFileRequest(
        out=out or own(settings.default_plan, shard),
        observed=source,
        max_age_seconds=max_age,
        problems=listing_file(loaded.root, problems),
        parts=parts,
        shard=shard,
        memory_mb=memory,
        chosen=Chosen(specs, select, exclude),
        set_values=dict(given),
        allow_lookups=allow_lookups,
        reads_moved=moved_since is not None,
        on_lost_baseline=console.complain,
    )
    try:
        refused = write_plan(
            loaded,
            settings,
            request,
            console.progress(),
            tell_changed_seed,
            on_retry=RetryNotice(),
            warn=tell,
        )
    except SpecError as error:
        return _report(error, console, loaded.root, settings.name)
    with open_plan(request.out) as plan:
        show_plan(plan, console, loaded.root, all_groups=all_groups)
        code = conclude(plan, console, detailed_exitcode=detailed_exitcode)
    if refused is None:
        return code
    console.complain(f"\n{escaped(str(refused))}")
    return ExitCode.NO_CONSENT


def _report(error: SpecError, console: Console, root: Path, environment: str) -> ExitCode:
    """Show problems to people on stderr and to machines in their format. A text document would be a plan."""
    checked = checked_of(error)
    documents = [output for output in asked_for() if output.format != "text"]
    show_problems(checked, console, root, documents, document="plan", environment=environment)
    console.complain(checked_text(checked, console.page(console.stderr)).rstrip())
    console.complain("Nothing was planned.")
    return ExitCode.INVALID


def conclude(plan: PlanFile, console: Console, *, detailed_exitcode: bool) -> ExitCode:
    name = quoted(plan.path)
    if any(hazard.is_over for hazard in plan.hazards()):
        console.complain(
            f"\nWritten to {name}. Over budget: {over_budget(plan.hazards())}.\n"
            f"To consent to exactly this plan: leanplum-sync apply {name} {consent_options(plan.hazards())}"
        )
        return ExitCode.NO_CONSENT
    if plan.summary.is_empty and not pending_exports(plan.notes()):
        return ExitCode.OK
    # The doubt about the journal says what to do instead.
    advice = "" if plan.header.journal_doubt else f" Next: leanplum-sync apply {name}"
    console.say(f"\nWritten to {name}.{advice}")
    return ExitCode.CHANGES_PENDING if detailed_exitcode else ExitCode.OK
