"""``plan``: what would change, what it costs and what is risky. It has only a reader and can't write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import click

from leanplum_sync.cli.advice import advise
from leanplum_sync.cli.command import Command, display_options, pass_console, project_options, specs_argument
from leanplum_sync.cli.connect import connected, settle_seconds, target_of
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.checking import listing_file, memory_option, problems_option
from leanplum_sync.cli.options.durations import DurationType
from leanplum_sync.cli.options.reading import LIVE, observed_option, reading_live
from leanplum_sync.cli.options.shards import own, parts_option, shard_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, output_options
from leanplum_sync.cli.output.plan_documents import show_plan
from leanplum_sync.cli.output.problem_documents import checked_of, show_problems
from leanplum_sync.cli.project import project_file, settings_of
from leanplum_sync.cli.shell import quoted
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import SpecError
from leanplum_sync.journal import read_deliveries
from leanplum_sync.kinds.sensitive import with_renamed
from leanplum_sync.operations.check import check
from leanplum_sync.operations.plan import Live, PlanRequest, Recorded, make_plan
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planner.parts import Part
from leanplum_sync.progress import Progress
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.plan_words import consent_options, over_budget
from leanplum_sync.render.problems import checked_text
from leanplum_sync.specs import Loaded, load
from leanplum_sync.staging import MEMORY_LIMIT_MB, Staging


@click.command("plan", cls=Command)
@specs_argument
@observed_option
@click.option(
    "--max-age",
    type=DurationType(),
    metavar="TIME",
    help="Maximum age of the snapshot, such as 30m or 2h. Default: any age for a FILE; with live, read all users again.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The plan file. Default: ENVIRONMENT.lpplan in .leanplum-sync.",
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
@parts_option
@shard_option(
    "Check all specs, but plan only part N of M of the users. apply then locks only that part. Default: all users."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2, not 0, if there are changes.")
@problems_option
@memory_option(MEMORY_LIMIT_MB)
@output_options("text", "json", "ndjson", "markdown", "html", "sarif", "github")
@project_options
@display_options
@pass_console
def command(
    console: Console,
    *,
    specs: tuple[Path, ...],
    observed: str,
    max_age: float | None,
    out: Path | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    parts: int,
    shard: Part | None,
    problems: Path | None,
    memory: int,
    output: Sequence[Output],
    detailed_exitcode: bool,
) -> ExitCode:
    """
    Compare the specs with the live state and write a plan.

    SPEC are spec files or folders; by default, the project's. Nothing is written
    to the app, and only keys that read are needed. Exit code 6: the plan is over
    the project's budget.
    """
    if parts > 1 and shard is not None:
        raise click.UsageError("--shard plans for a single process and can't be combined with --parts.")
    loaded = chosen(load(project_file(), specs), select, exclude)
    if loaded.project is None:
        return _report(
            SpecError(loaded.problems), console, output, loaded.root, remembered("environment") or ""
        )
    settings = settings_of(loaded.project, loaded.root)
    console.say_more(
        f"Project {loaded.root}, environment {settings.name}, plan {out or settings.default_plan}."
    )
    if not loaded.problems:
        advise(loaded.notes, console)
    out = out or own(settings.default_plan, shard)
    try:
        with Staging(settings.state_folder, memory) as staging:
            progress = console.progress()
            check(loaded, staging, progress, listing_file(loaded.root, problems)).raise_if_any()
            _make(
                loaded,
                staging,
                settings,
                progress,
                out=out,
                observed=observed,
                max_age=max_age,
                parts=parts,
                shard=shard,
            )
    except SpecError as error:
        return _report(error, console, output, loaded.root, settings.name)
    with open_plan(out) as plan:
        show_plan(plan, console, output)
        return conclude(plan, console, detailed_exitcode=detailed_exitcode)


def chosen(loaded: Loaded, select: Sequence[str], exclude: Sequence[str]) -> Loaded:
    """Keep the resources whose address matches one of *select*, if given, and none of *exclude*."""

    def is_wanted(address: str) -> bool:
        selected = not select or any(fnmatchcase(address, glob) for glob in select)
        return selected and not any(fnmatchcase(address, glob) for glob in exclude)

    kept = tuple(each for each in loaded.resources if is_wanted(str(each.address)))
    if loaded.resources and not kept:
        known = ", ".join(str(each.address) for each in loaded.resources)
        raise click.UsageError(f"--select and --exclude leave no spec to plan. The project has {known}.")
    return replace(loaded, resources=kept)


def _make(
    loaded: Loaded,
    staging: Staging,
    settings: Settings,
    progress: Progress,
    *,
    out: Path,
    observed: str,
    max_age: float | None,
    parts: int,
    shard: Part | None,
) -> None:
    if shard is not None:
        staging.keep(shard)

    def make(source: Live | Recorded) -> None:
        request = PlanRequest(
            target=target_of(settings),
            out=out,
            observed=source,
            budget=settings.budget,
            sensitive=with_renamed(settings.sensitive, loaded.resources),
            requests_per_second=settings.environment.limits.requests_per_second,
            marker=settings.increment_receipts,
            parts=parts,
            part=shard,
            settle_seconds=settle_seconds(settings),
        )
        with connected(settings) as app, read_deliveries(settings.journal) as journal:
            make_plan(
                loaded,
                staging,
                request,
                reader=app.reader(),
                journal=journal,
                clock=SystemClock(),
                progress=progress,
            )

    if observed == LIVE:
        with reading_live(settings, max_age, shard) as live:
            make(live)
    else:
        make(Recorded(Path(observed), max_age))


def _report(
    error: SpecError, console: Console, outputs: Sequence[Output], root: Path, environment: str
) -> ExitCode:
    """Show problems to people on stderr and to machines in their format. A text document would be a plan."""
    checked = checked_of(error)
    documents = [output for output in outputs if output.format != "text"]
    show_problems(checked, console, documents, root, document="plan", environment=environment)
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
    if plan.summary.is_empty:
        return ExitCode.OK
    console.say(f"\nWritten to {name}. Next: leanplum-sync apply {name}")
    return ExitCode.CHANGES_PENDING if detailed_exitcode else ExitCode.OK
