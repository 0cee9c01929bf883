"""``apply``: applies exactly one plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import click

from leanplum_sync.address import Subject
from leanplum_sync.applier.binding import check_environment
from leanplum_sync.applier.canary import Canary, Chosen
from leanplum_sync.applier.ports import StopFlag
from leanplum_sync.applier.preflight import Conditions, Consent, check_plan
from leanplum_sync.applier.receipt import Receipt, StopReason, nothing_sent
from leanplum_sync.applier.run import apply_plan, read_receipt
from leanplum_sync.applier.settings import ApplySettings, Recheck
from leanplum_sync.cli.command import Command, display_options, pass_console, plan_argument, project_options
from leanplum_sync.cli.connect import App, connected, settle_seconds, target_of
from leanplum_sync.cli.context import remembered
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.leftovers import leftovers
from leanplum_sync.cli.options.canary import canary_option, chosen, goes_on, wave_failures_option
from leanplum_sync.cli.options.consent import AckType, confirm
from leanplum_sync.cli.options.durations import DurationType
from leanplum_sync.cli.options.reading import together
from leanplum_sync.cli.options.shards import part_of_plan, shard_option
from leanplum_sync.cli.options.verifying import SAMPLE, Verify, VerifyType, verification
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.event_log import EventLog
from leanplum_sync.cli.output.outputs import Output, deliver, output_options
from leanplum_sync.cli.output.plan_documents import show_plan
from leanplum_sync.cli.project import project_file, settings_of
from leanplum_sync.cli.shell import quoted
from leanplum_sync.cli.signals import stopping
from leanplum_sync.client.writer import Writer
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import InterruptedRunError
from leanplum_sync.journal import open_journal
from leanplum_sync.journal.events import Listener, both
from leanplum_sync.journal.writer import Journal
from leanplum_sync.operations.verify import Verification
from leanplum_sync.planfile import PlanFile, open_plan
from leanplum_sync.planfile.part import PlanPart
from leanplum_sync.planner.parts import Part
from leanplum_sync.project.kept_plans import keep
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.html import receipt_html
from leanplum_sync.render.junit import receipt_junit
from leanplum_sync.render.markdown import receipt_markdown
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.receipt import next_steps, receipt_document, receipt_text
from leanplum_sync.specs import load_project

_Ended: TypeAlias = tuple[Receipt, InterruptedRunError | None, Verification | None]


@click.command("apply", cls=Command)
@plan_argument
@click.option(
    "--ack",
    type=AckType(),
    multiple=True,
    metavar="HAZARD=COUNT",
    help="Consent to a hazard over budget, with the number in the plan, such as sends=12431; may be repeated. Default: none.",
)
@click.option(
    "--recheck",
    type=click.Choice([choice.value for choice in Recheck]),
    default=Recheck.AUTO.value,
    help="Precondition check: read users again before writing, and skip users whom others changed since the plan. Default:"
    " auto, which does so if the plan's live state is older than ten minutes.",
)
@click.option(
    "--verify",
    type=VerifyType(),
    default="auto",
    metavar="all|none|N",
    help=f"Read users back afterwards and compare: all, none or a sample of N. Default: all, or {SAMPLE:,} if more changed.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 100),
    metavar="N",
    help="Requests in flight at the same time. Default: the project's, or 8.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="Maximum number of requests started per second. Default: the project's, or 20.",
)
@shard_option(
    "Apply only part N of M; other processes apply the others at the same time. The plan was made with --parts M."
    " Default: all users."
)
@canary_option
@wave_failures_option
@click.option(
    "--max-age",
    type=DurationType(),
    metavar="TIME",
    help="Maximum age of the plan, such as 30m or 2h. Default: the project's planHours, or any age.",
)
@click.option("--resume", is_flag=True, help="Also retry what an earlier run of this plan set aside.")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation. Required without a terminal.")
@output_options("text", "json", "ndjson", "markdown", "html", "junit")
@project_options
@display_options
@pass_console
def command(
    console: Console,
    *,
    plan: Path,
    ack: tuple[Consent, ...],
    recheck: str,
    verify: Verify,
    concurrency: int | None,
    rate: float | None,
    shard: Part | None,
    canary: Canary | None,
    wave_failures: float,
    max_age: float | None,
    resume: bool,
    yes: bool,
    output: Sequence[Output],
) -> ExitCode:
    """
    Apply the plan in the file PLAN, each of its changes exactly once.

    A plan for another app or environment is refused, and so is one whose specs or
    data have changed. If a run is interrupted or killed, the same command
    continues it. Exit code 4: applied in part; 5: something needs a decision.
    """
    file = project_file()
    project = load_project(file)
    with open_plan(plan) as opened:
        mine, part = part_of_plan(opened, shard)
        check_environment(opened, project.environments, remembered("environment"))
        settings = settings_of(project, file.parent, opened.environment)
        target = target_of(settings)
        hours = settings.environment.limits.plan_hours
        conditions = Conditions(
            target, file.parent, settings.budget, ack, max_age or (hours and hours * 3600)
        )
        check_plan(opened, conditions, SystemClock().now())
        if opened.summary.is_empty:
            _note_specs(opened, settings)
            show_plan(opened, console, output)
            return ExitCode.OK
        if mine.summary.is_empty:
            console.say(f"The plan has no user in shard {shard}: nothing to do.")
            _show(nothing_sent(opened.digest), None, opened, console, files=(), output=output)
            return ExitCode.OK
        limits = settings.environment.limits
        apply_settings = ApplySettings(
            concurrency=concurrency or limits.concurrency,
            requests_per_second=rate or limits.requests_per_second,
            lease_seconds=limits.lease_seconds,
            settle_seconds=settle_seconds(settings),
            recheck=Recheck(recheck),
            observed_at=opened.header.observed_from,
            resume=resume,
            together=together(limits),
            wave_failures_share=wave_failures,
            sensitive=settings.sensitive | opened.header.sensitive,
        )
        with (
            connected(settings) as app,
            open_journal(settings.journal) as journal,
            EventLog(settings.state_folder, SystemClock(), console) as events,
        ):
            writer = Writer(app.connection, app.keys, app.transport, SystemClock())
            confirm(console, target, mine.summary, yes=yes)
            keep(opened.path, settings.kept_plan(opened.digest))
            console.say(f"Applying to {target_words(target)}.")
            listener = both(events, console.events) if console.events else events
            run = _Run(
                mine, part, conditions, app, writer, journal, apply_settings, verify, console, listener
            )
            first = chosen(mine, canary)
            receipt, interrupted, verified = run.go(first)
            if first is not None and goes_on(console, receipt, verified, len(first), yes=yes):
                receipt, interrupted, verified = run.go(None)
            files = leftovers(opened, receipt, journal, settings, file)
        _show(receipt, verified, opened, console, files=files, output=output)
        return exit_code(interrupted) if interrupted else code_of(receipt, verified)


def _note_specs(plan: PlanFile, settings: Settings) -> None:
    """All is as the specs say: from here on, what differs is drift."""
    if specs := plan.resources():
        with (
            open_journal(settings.journal) as journal,
            journal.acquire(plan.app_id, plan.environment) as lease,
        ):
            journal.note_specs(lease, specs)


@dataclass(frozen=True, slots=True)
class _Run:
    """What applying takes. A canary's subjects go first, and then, if all is well, everybody."""

    plan: PlanPart
    part: str
    conditions: Conditions
    app: App
    writer: Writer
    journal: Journal
    settings: ApplySettings
    verify: Verify
    console: Console
    events: Listener

    def go(self, first: frozenset[Subject] | None) -> _Ended:
        """Apply and verify the plan for *first*, None for everybody."""
        receipt, interrupted = self._apply(first)
        verified = verification(
            self.verify,
            self.plan if first is None else Chosen(self.plan, first),
            receipt,
            changed=self.plan.summary.changed if first is None else len(first),
            app=self.app,
            journal=self.journal,
            settings=self.settings,
            console=self.console,
        )
        return receipt, interrupted, verified

    def _apply(self, only: frozenset[Subject] | None) -> tuple[Receipt, InterruptedRunError | None]:
        plan, part, journal = self.plan, self.part, self.journal
        stop = StopFlag()
        with (
            journal.acquire(
                plan.app_id, plan.environment, part=part, lease_seconds=self.settings.lease_seconds
            ) as lease,
            stopping(stop.request, self.console),
        ):
            try:
                receipt = apply_plan(
                    plan,
                    conditions=self.conditions,
                    writer=self.writer,
                    reader=self.app.reader(),
                    journal=journal,
                    lease=lease,
                    clock=SystemClock(),
                    settings=self.settings,
                    progress=self.console.progress(),
                    stop=stop,
                    only=only,
                    events=self.events,
                    specs=plan.resources(),
                )
            except InterruptedRunError as error:
                runs = journal.runs(plan.app_id, plan.environment)
                run = next(run for run in runs if (run.part, run.plan_digest) == (part, plan.digest))
                return read_receipt(plan, journal, run.number, stopped=StopReason.INTERRUPTED), error
        return receipt, None


def _show(
    receipt: Receipt,
    verified: Verification | None,
    plan: PlanFile,
    console: Console,
    *,
    files: Sequence[Path],
    output: Sequence[Output],
) -> None:
    target = plan.header.target
    steps = next_steps(receipt, verified, quoted(plan.path), [quoted(file) for file in files])
    deliver(
        console,
        output,
        text=lambda page: receipt_text(receipt, target, verified, page),
        json=lambda: receipt_document(receipt, target, verified, [str(file) for file in files]),
        markdown=lambda limit: receipt_markdown(receipt, target, verified, steps, limit),
        html=lambda: receipt_html(receipt, target, verified, steps),
        junit=lambda: receipt_junit(receipt, target, verified),
    )
    if steps:
        console.say("\n" + "\n".join(steps))


def code_of(receipt: Receipt, verified: Verification | None) -> ExitCode:
    if receipt.needs_person:
        return ExitCode.IN_DOUBT
    if receipt.stopped is StopReason.UNAVAILABLE:
        return ExitCode.LIMITED
    is_through = receipt.is_clean if receipt.stopped is StopReason.CANARY else receipt.complete
    is_as_planned = is_through and (verified is None or verified.is_proof)
    return ExitCode.OK if is_as_planned else ExitCode.IN_PART
