"""``apply``: applies exactly one plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias, assert_never

import click

from leanplum_sync.address import Subject
from leanplum_sync.applier.canary import Canary
from leanplum_sync.applier.leftovers import Leftovers, write_leftovers
from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.preflight import Consent
from leanplum_sync.applier.receipt import Receipt, StopReason, nothing_sent
from leanplum_sync.applier.settings import Recheck
from leanplum_sync.cli.command import Command, in_project, plan_argument
from leanplum_sync.cli.connect import RetryNotice, tell_changed_seed
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.options.applying import (
    ack_option,
    canary_option,
    chosen,
    concurrency_option,
    confirm,
    goes_on,
    max_age_option,
    new_journal_option,
    rate_option,
    recheck_option,
    resume_option,
    retry_rejected_option,
    verification,
    verify_option,
    wave_failures_option,
)
from leanplum_sync.cli.options.basic import allow_lookups_option
from leanplum_sync.cli.options.checking import shard_option
from leanplum_sync.cli.options.waiting import waiting_for_lock
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import show_plan
from leanplum_sync.cli.output.erasures import tell_finished
from leanplum_sync.cli.output.outputs import deliver, output_options
from leanplum_sync.cli.project import naming_all_missing, project_file
from leanplum_sync.cli.shell import quoted
from leanplum_sync.cli.signals import stopping
from leanplum_sync.client.http import ANSWERS_AFTER_STOP_SECONDS
from leanplum_sync.errors import InterruptedRunError, JournalError
from leanplum_sync.journal.entry import Fate
from leanplum_sync.journal.events import nobody
from leanplum_sync.journal.reader import JournalReader
from leanplum_sync.library.applying import (
    Admitted,
    Application,
    ApplyOptions,
    admit,
    applying,
    note_specs,
)
from leanplum_sync.library.erasing.finishing import Finished
from leanplum_sync.library.kept_files import keep_results, only_here
from leanplum_sync.library.verifying import Extent
from leanplum_sync.library.windows_here import export_windows
from leanplum_sync.operations.read_rows import with_rows
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planner.change import Effect, effect_of, facts
from leanplum_sync.planner.parts import Part
from leanplum_sync.planner.plan import pending_exports
from leanplum_sync.project.model import ProjectFile
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.junit import receipt_junit
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.receipt import next_steps, receipt_document, receipt_markdown, receipt_text
from leanplum_sync.render.values import escaped
from leanplum_sync.specs import load, load_project
from leanplum_sync.wire.catalogue import KeyClass

# Rows to fix; rows for a person to look into, which `resolve --from` reads; and users who changed since the plan.
_LEFTOVERS: Final = {
    "rejected": (Fate.REJECTED, Fate.SKIPPED),
    "held": (Fate.HELD,),
    "conflicting": (Fate.CONFLICTING,),
}
Ended: TypeAlias = tuple[Receipt, InterruptedRunError | None, Verification | None]


@click.command("apply", cls=Command)
@plan_argument
@ack_option
@recheck_option
@verify_option
@concurrency_option
@rate_option
@shard_option(
    "Apply only part N of M; other processes can apply the other parts at the same time. Requires a plan made with --parts M. Default: all users."
)
@canary_option
@wave_failures_option
@max_age_option
@resume_option
@retry_rejected_option
@new_journal_option
@allow_lookups_option
@click.option("--yes", is_flag=True, help="Don't ask for confirmation. Required without a terminal.")
@output_options("text", "json", "ndjson", "markdown", "html", "junit")
@in_project
@waiting_for_lock
def command(
    console: Console,
    *,
    plan: Path,
    ack: tuple[Consent, ...],
    recheck: str,
    verify: Extent,
    concurrency: int | None,
    rate: float | None,
    shard: Part | None,
    canary: Canary | None,
    wave_failures: float,
    max_age: float | None,
    new_journal: bool,
    resume: bool,
    retry_rejected: bool,
    allow_lookups: int | None,
    yes: bool,
) -> ExitCode:
    """
    Apply the plan in the file PLAN, making each change exactly once.

    A plan is refused if it was made for another app or environment, or if its specs or data have changed
    since. If a run is interrupted or killed, run the same command again to continue it. Exit code 4:
    applied in part; 5: someone must decide about held actions.
    """
    file = project_file()
    project = load_project(file)
    options = ApplyOptions(
        consents=ack,
        recheck=Recheck(recheck),
        max_age_seconds=max_age,
        resume=resume,
        retry_rejected=retry_rejected,
        concurrency=concurrency,
        requests_per_second=rate,
        wave_failures_share=wave_failures,
        shard=shard,
        new_journal=new_journal,
        allow_lookups=allow_lookups,
    )
    with open_plan(plan) as opened:
        needs = needed_keys(opened, verify)
        admitted = admitted_by(opened, project, file, options, needs=needs, console=console)
        mine = admitted.mine
        if opened.summary.is_empty:
            note_specs(admitted)
            show_plan(opened, console)
            return _export(admitted, shard, console)
        if mine.summary.is_empty:
            console.say(f"The plan has no users in shard {shard}: nothing to do.")
            _show(nothing_sent(opened.digest), None, opened, console, files=())
            return _export(admitted, shard, console)
        with applying(
            admitted,
            warn=console.complain,
            on_changed_seed=tell_changed_seed,
            on_retry=RetryNotice(),
            needs=needs,
        ) as application:
            application.check_costs(reads_back=verify if reads_back(opened, verify) else "none")
            target = admitted.conditions.target
            if not yes:
                confirm(console, target, mine.summary)
            console.say(f"Applying to {target_words(target)}.")
            if note := only_here(admitted.settings):
                console.say(note)
            first = chosen(mine, canary)
            ended = go(application, first, verify, console)
            if first is not None and goes_on(console, ended[0], ended[2], len(first), yes=yes):
                ended = go(application, None, verify, console)
            left, finished = conclude(application, ended, file, console)
        receipt, interrupted, verified = ended
        _show(receipt, verified, opened, console, files=[file for file in left.files if file.exists()])
        tell_finished(finished, console)
        if left.changed:
            console.complain(_changed_words(left, receipt.run))
        code = code_with(finished, code_of(receipt, verified))
        return exit_code(interrupted) if interrupted else _with_exports(code, admitted, shard, console)


def _with_exports(code: ExitCode, admitted: Admitted, shard: Part | None, console: Console) -> ExitCode:
    """Export the plan's windows. Return *code*, unless it is good and something remains to be exported."""
    exported = _export(admitted, shard, console)
    return exported if code is ExitCode.OK else code


def _export(admitted: Admitted, shard: Part | None, console: Console) -> ExitCode:
    """Export the plan's windows, and say so. Windows that fail or have to wait are missing until the next apply."""
    report = export_windows(
        admitted.plan,
        admitted.settings,
        console.progress(),
        shard=shard,
        on_retry=RetryNotice(),
        warn=console.complain,
    )
    for sentence in report.sentences:
        console.say(escaped(sentence))
    for sentence in report.complaints:
        console.complain(escaped(sentence))
    if report.failed:
        return ExitCode.IN_PART
    return ExitCode.LIMITED if report.waiting else ExitCode.OK


def reads_back(plan: PlanFile, extent: Extent) -> bool:
    return extent != "none" and any(facts(kind).is_readable for kind in plan.summary.changes)


def needed_to_verify(plan: PlanFile, extent: Extent) -> Sequence[KeyClass]:
    """Return the keys that reading back needs besides the one that the plan writes with."""
    of_users = any(effect_of(kind) is not Effect.THING for kind in plan.summary.changes)
    return [KeyClass.DATA_EXPORT] if of_users and reads_back(plan, extent) else []


def needed_keys(plan: PlanFile, extent: Extent) -> Sequence[KeyClass]:
    """Return the keys that reading back and exporting windows need besides the one that the plan writes with."""
    return [KeyClass.DATA_EXPORT] if pending_exports(plan.notes()) else needed_to_verify(plan, extent)


def admitted_by(
    plan: PlanFile,
    project: ProjectFile,
    file: Path,
    options: ApplyOptions,
    *,
    needs: Sequence[KeyClass],
    console: Console,
) -> Admitted:
    """Run the preflight, and say which specs changed since the plan was made without contradicting it. *file* is the project's."""
    target = plan.header.target
    with naming_all_missing(project, target.environment, [target.writes, *needs]):
        admitted = admit(plan, project, file.parent, remembered("environment"), options)
    if changed := admitted.changed_specs:
        console.say(
            f"These specs were added or changed since the plan was made, but don't conflict with it: {', '.join(changed)}."
        )
    return admitted


def conclude(
    application: Application, ended: Ended, file: Path, console: Console
) -> tuple[Leftovers, Finished | None]:
    """Do what follows a run: note it in the baseline, write and keep files with what is left, and finish erasures."""
    receipt, interrupted, verified = ended
    admitted = application.admitted
    if lost := application.note_in_baseline(receipt):
        console.complain(lost)
    left = _leftovers(admitted.plan, receipt, application.journal, admitted.settings, file)
    document = receipt_document(
        receipt, admitted.conditions.target, verified, [str(path) for path in left.files]
    )
    try:
        keep_results(admitted.plan, receipt.run, application.journal, document, left.files)
    except JournalError as error:  # the run is over, and its exit code says how it ended
        console.complain(str(error))
    return left, None if interrupted else application.finish_erasures(receipt)


def go(application: Application, first: frozenset[Subject] | None, extent: Extent, console: Console) -> Ended:
    """Apply and verify the plan for *first*, the subjects of the canary; None for everybody."""
    stop = StopFlag()

    def end(signal_number: int) -> None:
        stop.request(signal_number)
        application.app.transport.hurry(ANSWERS_AFTER_STOP_SECONDS)

    with stopping(end, console):
        receipt, interrupted = application.apply(
            first, progress=console.progress(), stop=stop, events=console.events or nobody
        )
    return receipt, interrupted, verification(extent, application, receipt, first, console)


def _show(
    receipt: Receipt,
    verified: Verification | None,
    plan: PlanFile,
    console: Console,
    *,
    files: Sequence[Path],
) -> None:
    target = plan.header.target
    steps = next_steps(receipt, verified, quoted(plan.path), [quoted(file) for file in files])

    def html() -> str:
        from leanplum_sync.render.html.pages import receipt_html  # noqa: PLC0415 - slow to import, and rarely asked for

        return receipt_html(receipt, target, verified, steps)

    deliver(
        console,
        text=lambda page: receipt_text(receipt, target, verified, page),
        json=lambda: receipt_document(receipt, target, verified, [str(file) for file in files]),
        markdown=lambda limit: receipt_markdown(receipt, target, verified, steps, limit),
        html=html,
        junit=lambda: receipt_junit(receipt, target, verified),
    )
    if steps:
        console.say("\n" + "\n".join(steps))


def _leftovers(
    plan: PlanFile, receipt: Receipt, journal: JournalReader, settings: Settings, project_file: Path
) -> Leftovers:
    """Write files with the rows that were rejected, that are held, or whose users changed since the plan."""
    files: list[Path] = []
    changed: dict[str, None] = {}
    for word, fates in _LEFTOVERS.items():
        if any(receipt.actions.get(fate) for fate in fates):
            subjects = {entry.subject for entry in journal.exceptions(receipt.run, fates)}
            stem = settings.state_folder / f"run-{receipt.run}.{word}"
            # Loaded only here: the plan is bound to these specs, and most runs have no leftovers.
            resources = with_rows(load(project_file), plan.rows()).resources
            written = write_leftovers(plan, subjects, resources, settings.root, stem)
            files += written.files
            changed |= dict.fromkeys(written.changed)
    return Leftovers(tuple(files), tuple(changed))


def _changed_words(left: Leftovers, run: int) -> str:
    return f"These specs or their data changed during the run, so no files with the affected rows were written: {', '.join(left.changed)}. `leanplum-sync journal show {run}` lists the users."


def code_with(finished: Finished | None, code: ExitCode) -> ExitCode:
    """Return *code*, unless it is good and erasures are not complete."""
    return ExitCode.IN_PART if code is ExitCode.OK and finished and not finished.is_complete else code


def code_of(receipt: Receipt, verified: Verification | None) -> ExitCode:
    if receipt.needs_person:
        return ExitCode.IN_DOUBT
    match receipt.stopped:
        case StopReason.UNAVAILABLE:
            return ExitCode.LIMITED
        case StopReason.CANARY:
            is_through = receipt.is_clean
        case StopReason.REJECTIONS | StopReason.WAVE | StopReason.WRONG_TIME | StopReason.INTERRUPTED | None:
            is_through = receipt.complete
        case _:
            assert_never(receipt.stopped)
    is_as_planned = is_through and (verified is None or verified.is_proof)
    return ExitCode.OK if is_as_planned else ExitCode.IN_PART
