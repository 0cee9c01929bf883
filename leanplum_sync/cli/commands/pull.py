"""``pull``: reads users into a snapshot file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from leanplum_sync.address import Subject
from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import allow_lookups_option, duration_option, file_option
from leanplum_sync.cli.options.checking import listing_file, memory_option, reading_of, set_option
from leanplum_sync.cli.options.ids import id_column_option, subjects_named
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_options
from leanplum_sync.cli.project import settings_of, specs_here
from leanplum_sync.cli.shell import quoted
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import SpecError, UsageError
from leanplum_sync.library.baseline_here import add_read, before_reading
from leanplum_sync.library.reading import audiences, exporting, together
from leanplum_sync.operations.check import check
from leanplum_sync.operations.exportable import managed
from leanplum_sync.operations.pull import pull
from leanplum_sync.operations.read_rows import read_rows
from leanplum_sync.progress import Progress
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.pull import (
    exported_json,
    exported_text,
    pulled_json,
    pulled_text,
)
from leanplum_sync.render.values import in_words
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import LEAST_MEMORY_MB, Staging
from leanplum_sync.staging.assumed import managed_fields
from leanplum_sync.staging.columns import write_columns
from leanplum_sync.staging.scratch import ScratchFolder
from leanplum_sync.wire.catalogue import KeyClass

_MAX_AGE_SECONDS: Final = 3600.0
_SNAPSHOTS: Final = (".ndjson", ".ndjson.gz", ".ndjson.zst")


@click.command("pull", cls=Command)
@click.argument("users", metavar="[USER]...", nargs=-1)
@file_option(
    "--from",
    "from_file",
    exists=True,
    help="A data file with the ids, such as customers.csv. Default: none.",
)
@id_column_option
@click.option(
    "--from-export",
    is_flag=True,
    help="Export the attributes of the project's specs instead, with one exportUsers job for each: no billable lookups, but at most 40 jobs a day.",
)
@file_option(
    "--out", required=True, help="The snapshot file to write: .ndjson, .ndjson.gz, or .ndjson.zst. Required."
)
@duration_option(
    "--max-age",
    default=_MAX_AGE_SECONDS,
    help="Keep users in the snapshot that were read within this time, instead of reading them again. This lets an interrupted pull continue. With --from-export: continue jobs that an interrupted pull started within this time. Default: 1h.",
)
@set_option
@memory_option(LEAST_MEMORY_MB)
@allow_lookups_option
@output_options("text", "json", "ndjson")
@in_project
def command(
    console: Console,
    *,
    users: tuple[str, ...],
    from_file: Path | None,
    id_column: str | None,
    from_export: bool,
    out: Path,
    max_age: float,
    given: tuple[tuple[str, str], ...],
    memory: int,
    allow_lookups: int | None,
) -> ExitCode:
    """
    Read users into a snapshot file, one billable lookup each.

    USER is a userId or device:ID. Without USER and --from, all users in the project's specs are read. The
    file can be used with `plan --observed` or `emulator --seed`. With --from-export, it shows only the attributes
    that exports give, and can be used with neither.
    """
    if from_export and (users or from_file):
        raise click.UsageError(
            "--from-export exports all users of the app: don't pass USER or --from with it."
        )
    if not out.name.lower().endswith(_SNAPSHOTS):
        raise click.UsageError(
            f"{out} can't be used as a snapshot: choose a file name that ends with {in_words(_SNAPSHOTS, 'or')}."
        )
    loaded, project = specs_here()
    settings = settings_of(project, loaded.root, needs=[KeyClass.DATA_EXPORT])
    limits = settings.environment.limits
    progress = console.progress()
    if from_export:
        return _export(loaded, settings, out, max_age, console)
    if not users and from_file is None:  # before connecting: exporting audiences connects, too
        loaded = read_rows(loaded, reading_of(given, progress, audiences(settings, "pull")))
    with (
        Staging(memory_limit_mb=memory, only_rows=True) as staging,
        connected(settings, "pull", allowed_lookups=allow_lookups) as app,
    ):
        subjects = (
            subjects_named(users, from_file, id_column, loaded)
            if users or from_file
            else _in_specs(loaded, staging, progress)
        )
        read = before_reading(settings, out, managed_fields(loaded.resources))
        report = pull(
            app.reader(),
            subjects,
            out,
            concurrency=limits.concurrency,
            requests_per_second=limits.requests_per_second,
            max_age_seconds=max_age,
            clock=SystemClock(),
            progress=progress,
            total=len(users) if users and not from_file else None,
            together=together(limits),
            admit=app.costs.admit,
        )
        target = app.target
    with progress.track("Preparing the snapshot for plans", None, "user"):
        write_columns(out, managed_fields(loaded.resources))
    if read is not None and (lost := add_read(settings, read)):
        console.complain(lost)
    deliver(
        console,
        text=lambda page: pulled_text(report, target, quoted(out), page),
        json=lambda: pulled_json(report, target),
    )
    return ExitCode.IN_PART if report.failed else ExitCode.OK


def _export(loaded: Loaded, settings: Settings, out: Path, max_age: float, console: Console) -> ExitCode:
    if loaded.problems:
        raise SpecError(loaded.problems)
    attributes = managed(loaded.resources)
    if not attributes:
        raise UsageError("The project's specs set no attributes of users, so there is nothing to export.")
    progress = console.progress()
    with (
        closing(ScratchFolder(settings.state_folder)) as scratch,
        connected(settings, "pull", [KeyClass.DATA_EXPORT]) as app,
        exporting(settings, app, "pull", max_age, progress) as jobs,
    ):
        report = jobs.export(attributes, out, scratch.path)
        target = app.target
    deliver(
        console,
        text=lambda page: exported_text(report, target, quoted(out), page),
        json=lambda: exported_json(report, target),
    )
    return ExitCode.OK


def _in_specs(loaded: Loaded, staging: Staging, progress: Progress) -> Iterator[Subject]:
    check(loaded, staging, progress, listing_file(loaded.root)).raise_if_any()
    return staging.subjects()
