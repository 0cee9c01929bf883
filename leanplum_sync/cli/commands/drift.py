"""``drift``: compares live state with the last apply. It has only a reader and can't write."""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from pathlib import Path

import click

from leanplum_sync.address import Subject
from leanplum_sync.cli.command import Command, in_project, specs_argument
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import allow_lookups_option, duration_option
from leanplum_sync.cli.options.checking import LIVE, observed_option, reading_of, set_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.erasures import tell_second_check
from leanplum_sync.cli.output.outputs import deliver, output_options
from leanplum_sync.cli.project import settings_of, specs_here
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import SpecError
from leanplum_sync.journal import read_journal
from leanplum_sync.kinds.rows.source import audience_of
from leanplum_sync.library.baseline_here import learning
from leanplum_sync.library.connect import target_of
from leanplum_sync.library.reading import admitted, audiences, live_into
from leanplum_sync.operations.check import check
from leanplum_sync.operations.drift import Drift, find_drift, without_sends
from leanplum_sync.operations.observing import Recorded
from leanplum_sync.operations.read_rows import read_rows
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.drift import drift_json, drift_markdown, drift_text
from leanplum_sync.render.values import Mask
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Staging
from leanplum_sync.staging.assumed import managed_fields
from leanplum_sync.wire.catalogue import KeyClass


@click.command("drift", cls=Command)
@specs_argument
@observed_option
@duration_option("--max-age", help="Maximum age of the snapshot FILE, such as 30m or 2h. Default: no limit.")
@set_option
@allow_lookups_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2, not 0, if anything has drifted.")
@output_options("text", "json", "ndjson", "markdown")
@in_project
def command(
    console: Console,
    *,
    specs: tuple[Path, ...],
    observed: str,
    max_age: float | None,
    given: tuple[tuple[str, str], ...],
    allow_lookups: int | None,
    detailed_exitcode: bool,
) -> ExitCode:
    """
    Show which attributes have drifted since the last apply, and who changed them.

    SPEC is a spec file or a folder; by default, all specs of the project. Only attributes that these specs
    manage are compared. Each difference is listed as changed by others, by us (only the spec changed), by
    both, or as new. Nothing is written to the app.
    """
    loaded, project = specs_here(specs)
    if loaded.problems:
        raise SpecError(loaded.problems)
    reads_users = observed == LIVE and any(each.kind.has_rows for each in loaded.resources)
    exports_users = any(audience_of(each.source) for each in loaded.resources)
    needs = [KeyClass.DATA_EXPORT] if reads_users or exports_users else []
    settings = settings_of(project, loaded.root, needs=needs)
    loaded = read_rows(loaded, reading_of(given, console.progress(), audiences(settings, "drift")))
    target = target_of(settings)
    found = _find(
        without_sends(loaded),
        settings,
        console,
        observed=observed,
        max_age=max_age,
        allow_lookups=allow_lookups,
    )
    mask = Mask(settings.sensitive, secrets.token_bytes(16))
    deliver(
        console,
        text=lambda page: drift_text(found, target, mask, page),
        json=lambda: drift_json(found, target, mask),
        markdown=lambda limit: drift_markdown(found, target, mask, limit),
    )
    return ExitCode.CHANGES_PENDING if detailed_exitcode and found.has_drifted else ExitCode.OK


def _find(
    loaded: Loaded,
    settings: Settings,
    console: Console,
    *,
    observed: str,
    max_age: float | None,
    allow_lookups: int | None,
) -> Drift:
    # Not the snapshot of the latest plan, which `explain` reads.
    reading = settings.state_folder / f"{settings.name}.drift.ndjson"
    source = (
        live_into(reading, settings.environment.limits)
        if observed == LIVE
        else Recorded(Path(observed), max_age)
    )
    progress = console.progress()
    is_live, fields = observed == LIVE, managed_fields(loaded.resources)
    try:
        with Staging(settings.state_folder) as staging:
            check(loaded, staging, progress).raise_if_any()
            with (
                connected(settings, "drift", allowed_lookups=allow_lookups) as app,
                read_journal(settings.journal) as journal,
                learning(settings, reading, fields, console.complain) if is_live else nullcontext(),
            ):
                absent: list[Subject] = []
                found = find_drift(
                    loaded,
                    staging,
                    admitted(source, app.costs),
                    app=app.target.app_id,
                    environment=settings.name,
                    reader=app.reader(),
                    journal=journal,
                    clock=SystemClock(),
                    progress=progress,
                    on_absent=absent.append,
                )
                if is_live and journal.erasures(app.target.app_id):
                    tell_second_check(absent, settings, app.target.app_id, console)
                return found
    finally:
        reading.unlink(missing_ok=True)
