"""``worker``: applies the parts of a plan, beside any number of other workers."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Final

import click

from leanplum_sync.applier.preflight import Consent
from leanplum_sync.applier.settings import Recheck
from leanplum_sync.applier.shards import Shards, Turn
from leanplum_sync.cli.command import Command, in_project, plan_argument
from leanplum_sync.cli.commands.apply import (
    admitted_by,
    code_of,
    code_with,
    conclude,
    go,
    needed_to_verify,
    reads_back,
)
from leanplum_sync.cli.connect import RetryNotice, tell_changed_seed
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.options.applying import (
    ack_option,
    concurrency_option,
    confirm,
    max_age_option,
    new_journal_option,
    rate_option,
    recheck_option,
    resume_option,
    retry_rejected_option,
    verify_option,
    wave_failures_option,
)
from leanplum_sync.cli.options.basic import allow_lookups_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.documents import show_plan
from leanplum_sync.cli.output.erasures import tell_finished
from leanplum_sync.cli.output.outputs import output_options
from leanplum_sync.cli.project import project_file
from leanplum_sync.errors import JournalLockedError
from leanplum_sync.journal.entry import RunState
from leanplum_sync.library.applying import Admitted, ApplyOptions, applying, note_specs
from leanplum_sync.library.verifying import Extent
from leanplum_sync.library.working import Work
from leanplum_sync.planfile import open_plan
from leanplum_sync.planner.plan import pending_exports
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.receipt import fates_line
from leanplum_sync.render.values import amount
from leanplum_sync.specs import load_project

_POLL_SECONDS: Final = 2.0
# The code of a worker is the most serious one of its shards.
_SERIOUS: Final = (ExitCode.OK, ExitCode.IN_PART, ExitCode.LIMITED, ExitCode.IN_DOUBT)


@click.command("worker", cls=Command)
@plan_argument
@ack_option
@recheck_option
@verify_option
@concurrency_option
@rate_option
@wave_failures_option
@max_age_option
@resume_option
@retry_rejected_option
@new_journal_option
@allow_lookups_option
@click.option("--yes", is_flag=True, help="Don't ask for confirmation. Required without a terminal.")
@output_options("text")
@in_project
def command(
    console: Console,
    *,
    plan: Path,
    ack: tuple[Consent, ...],
    recheck: str,
    verify: Extent,
    concurrency: int | None,
    rate: float | None,
    wave_failures: float,
    max_age: float | None,
    new_journal: bool,
    resume: bool,
    retry_rejected: bool,
    allow_lookups: int | None,
    yes: bool,
) -> ExitCode:
    """
    Apply shards of the plan in the file PLAN until none is left.

    Start any number of workers, on any number of machines with the same shared journal, and more of them at any time. Each
    takes a shard that nobody works on, and then the next. If a worker dies, another continues with its shard when its lock
    expires. With a shared journal, all workers together keep to one rate. Plan with --parts M, such as four times as many parts
    as workers. The exit code is that of apply, for all shards that have ended.
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
        new_journal=new_journal,
        allow_lookups=allow_lookups,
    )
    with open_plan(plan) as opened:
        needs = needed_to_verify(opened, verify)
        admitted = admitted_by(opened, project, file, options, needs=needs, console=console)
        if pending_exports(opened.notes()):
            console.complain(
                "Workers don't export the windows of Exports. Plan and apply these specs by themselves."
            )
        if opened.summary.is_empty:
            note_specs(admitted)
            show_plan(opened, console)
            return ExitCode.OK
        target = admitted.conditions.target
        if not yes:
            confirm(console, target, opened.summary)
        console.say(f"Working on {target_words(target)}.")
        return _Worker(Work(admitted), file, verify, console).go()


class _Worker:
    def __init__(self, work: Work, file: Path, verify: Extent, console: Console) -> None:
        self._work, self._file, self._verify, self._console = work, file, verify, console
        self._is_waiting = False

    def go(self) -> ExitCode:
        """Return the most serious exit code of a shard. A run that had to stop ends the worker."""
        code, start = ExitCode.OK, random.randrange(1024)  # noqa: S311 - only spreads workers over the shards
        while True:
            shards = self._work.shards()
            match shards.next(start):
                case Turn.OVER:
                    return self._tell_end(shards, code)
                case Turn.WAIT:
                    self._tell_waiting(shards)
                    time.sleep(_POLL_SECONDS)
                case str(part):
                    try:
                        ended, must_stop = self._apply(self._work.share(part))
                    except JournalLockedError:
                        continue  # another worker was faster
                    self._work.note_tried(part)
                    code = _worse(code, ended)
                    if must_stop:
                        return code

    def _apply(self, admitted: Admitted) -> tuple[ExitCode, bool]:
        """Return the exit code of the shard, and whether the worker must stop."""
        console, opened = self._console, admitted.plan
        with applying(
            admitted,
            warn=console.complain,
            on_changed_seed=tell_changed_seed,
            on_retry=RetryNotice(),
            needs=needed_to_verify(opened, self._verify),
        ) as application:
            application.check_costs(reads_back=self._verify if reads_back(opened, self._verify) else "none")
            ended = go(application, None, self._verify, console)
            left, finished = conclude(application, ended, self._file, console)
        receipt, interrupted, verified = ended
        self._is_waiting = False
        console.say(f"Shard {admitted.lock or 'of all users'}: {fates_line(receipt)}.")
        for path in left.files:
            console.say(f"  {path}")
        tell_finished(finished, console)
        if interrupted is not None:
            return exit_code(interrupted), True
        return code_with(finished, code_of(receipt, verified)), receipt.stopped is not None

    def _tell_waiting(self, shards: Shards) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            left = sum(not shards.is_over(part) for part in shards.parts)
            self._console.say(f"Waiting for {amount(left, 'shard')} that others work on.")

    def _tell_end(self, shards: Shards, code: ExitCode) -> ExitCode:
        partial = shards.count(RunState.PARTIAL)
        ended = partial + shards.count(RunState.FINISHED)
        rest = f" {partial:,} left something to do: see status." if partial else ""
        self._console.say(f"Shards ended: {ended:,} of {len(shards.parts):,}.{rest}")
        # Also of what others applied: a worker that is started again must not turn held sends into a success.
        for receipt in self._work.receipts_of_others():
            code = _worse(code, code_of(receipt, None))
        return code


def _worse(one: ExitCode, other: ExitCode) -> ExitCode:
    """Return the more serious code; *other* is any code of a run."""
    return max(one, other, key=_SERIOUS.index) if other in _SERIOUS else other
