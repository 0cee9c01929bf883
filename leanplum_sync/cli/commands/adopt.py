"""``adopt``: writes live values into specs, and records sends that were made elsewhere. It has only a reader."""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from leanplum_sync.address import Subject
from leanplum_sync.cli.command import Command, in_project, specs_argument
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import allow_lookups_option, duration_option, file_option
from leanplum_sync.cli.options.checking import LIVE, observed_option, reading_of, set_option
from leanplum_sync.cli.options.ids import id_column_option, subjects_named
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_option
from leanplum_sync.cli.project import settings_of, specs_here
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import JournalError, SpecError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.recording import SendElsewhere
from leanplum_sync.kinds import Resource
from leanplum_sync.kinds.kind import with_renamed
from leanplum_sync.kinds.rows.parts import SendPart
from leanplum_sync.kinds.rows.source import audience_of
from leanplum_sync.library.baseline_here import learning
from leanplum_sync.library.connect import target_of
from leanplum_sync.library.journal_here import lapse_here, open_for
from leanplum_sync.library.reading import admitted, audiences, live_into
from leanplum_sync.operations.adopt import Adoption, Choice, adopt
from leanplum_sync.operations.adopted_files import write_adopted
from leanplum_sync.operations.check import check
from leanplum_sync.operations.drift import without_sends
from leanplum_sync.operations.observing import Recorded
from leanplum_sync.operations.read_rows import read_rows
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.adopt import adoption_json, adoption_text, recorded_text
from leanplum_sync.render.documents import RecordedSends, entry, written
from leanplum_sync.render.values import Mask, amount, listing
from leanplum_sync.specs import Loaded
from leanplum_sync.staging import Staging
from leanplum_sync.staging.assumed import managed_fields
from leanplum_sync.wire.catalogue import KeyClass


@click.command("adopt", cls=Command)
@specs_argument
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="USER",
    help="Adopt only this userId or device:ID; may be repeated. Default: all users in the specs.",
)
@file_option(
    "--from",
    "from_file",
    exists=True,
    help="Adopt only the users in this data file. Default: all users in the specs (with --sends, all recipients).",
)
@id_column_option
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Adopt every value that differs. Default: only values that others changed since the last apply.",
)
@click.option(
    "--fill", is_flag=True, help="Also write live values into empty cells. Default: empty cells stay empty."
)
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@observed_option
@duration_option("--max-age", help="Maximum age of the snapshot FILE, such as 30m or 2h. Default: no limit.")
@set_option
@allow_lookups_option
@click.option(
    "--sends",
    metavar="DELIVERY",
    help="Record in the journal that the recipients of this delivery already received it, outside of leanplum-sync."
    " Default: adopt values, not sends.",
)
@click.option(
    "--why",
    metavar="TEXT",
    help="With --sends: the reason, such as `sent from the dashboard on 27 November`. Required with --sends.",
)
@click.option(
    "--by",
    metavar="NAME",
    help="With --sends: the person who vouches for this. Default: your user name and this machine's name.",
)
@click.option(
    "--yes", is_flag=True, help="With --sends: don't ask for confirmation. Required without a terminal."
)
@output_option
@in_project
def command(
    console: Console,
    *,
    specs: tuple[Path, ...],
    users: tuple[str, ...],
    from_file: Path | None,
    id_column: str | None,
    everything: bool,
    fill: bool,
    dry_run: bool,
    observed: str,
    max_age: float | None,
    given: tuple[tuple[str, str], ...],
    allow_lookups: int | None,
    sends: str | None,
    why: str | None,
    by: str | None,
    yes: bool,
) -> ExitCode:
    """
    Write live values into the specs, so that the specs match the app. Nothing is written to the app.

    SPEC is a spec file or a folder; by default, all specs of the project. Inline values are changed in
    the spec; values from CSV and NDJSON files are changed in those files. For other sources, the changed rows
    are written to a new CSV file. Exit code 4: some values could not be adopted.

    With --sends, record that users already received a message: all recipients in the specs, or the ones
    named with --user or --from. Later plans won't send it to them.
    """
    loaded, project = specs_here(specs)
    if loaded.problems:
        raise SpecError(loaded.problems)
    needs = [KeyClass.DATA_EXPORT] if observed == LIVE and sends is None else []
    settings = settings_of(project, loaded.root, needs=needs)
    named = frozenset(subjects_named(users, from_file, id_column, loaded)) if users or from_file else None
    if sends is not None:
        if everything or fill:
            raise click.UsageError("--all and --fill can't be used with --sends.")
        if not why or not why.strip():
            raise click.UsageError(
                "Say why the sends are recorded: --why 'sent from the dashboard on 27 November'."
            )
        reason = f"recorded by {by or _me()}: {why}"
        return _record(
            loaded,
            settings,
            console,
            delivery=sends,
            named=named,
            reason=reason,
            given=given,
            dry_run=dry_run,
            yes=yes,
        )
    if why or by or yes:
        raise click.UsageError("--why, --by, and --yes can only be used with --sends.")
    reading = reading_of(given, console.progress(), audiences(settings, "adopt"))
    loaded = without_sends(read_rows(loaded, reading))
    choice = Choice(named, everything, fill)
    found = _find(
        loaded, settings, console, choice, observed=observed, max_age=max_age, allow_lookups=allow_lookups
    )
    found, files = write_adopted(found, loaded, settings.state_folder, dry_run=dry_run)
    target = target_of(settings)
    mask = Mask(with_renamed(settings.sensitive, loaded.resources), secrets.token_bytes(16))
    deliver(
        console,
        text=lambda page: adoption_text(found, files, target, mask, page, dry_run=dry_run, root=loaded.root),
        json=lambda: adoption_json(found, files, target, mask, dry_run=dry_run, root=loaded.root),
    )
    in_part = found.left or found.unreadable or found.unlisted or any(each.instead_of for each in files)
    return ExitCode.IN_PART if in_part else ExitCode.OK


def _find(
    loaded: Loaded,
    settings: Settings,
    console: Console,
    choice: Choice,
    *,
    observed: str,
    max_age: float | None,
    allow_lookups: int | None,
) -> Adoption:
    reading = settings.state_folder / f"{settings.name}.adopt.ndjson"
    live = live_into(reading, settings.environment.limits)
    source = live if observed == LIVE else Recorded(Path(observed), max_age)
    progress = console.progress()
    is_live, fields = observed == LIVE, managed_fields(loaded.resources)
    try:
        # Users without a difference have empty cells that may be filled.
        with Staging(settings.state_folder, sieve=not choice.fill) as staging:
            check(loaded, staging, progress).raise_if_any()
            with (
                connected(settings, "adopt", allowed_lookups=allow_lookups) as app,
                read_journal(settings.journal) as journal,
                learning(settings, reading, fields, console.complain) if is_live else nullcontext(),
            ):
                return adopt(
                    loaded,
                    staging,
                    admitted(source, app.costs),
                    choice,
                    app=app.target.app_id,
                    environment=settings.name,
                    reader=app.reader(),
                    journal=journal,
                    clock=SystemClock(),
                    progress=progress,
                )
    finally:
        reading.unlink(missing_ok=True)


def _me() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a user without a name, as in some containers
        return socket.gethostname()


def _record(
    loaded: Loaded,
    settings: Settings,
    console: Console,
    *,
    delivery: str,
    named: frozenset[Subject] | None,
    reason: str,
    given: tuple[tuple[str, str], ...],
    dry_run: bool,
    yes: bool,
) -> ExitCode:
    """
    Raises:
        click.UsageError: no spec has the delivery.
        JournalError: files beside the journal show that it is not the one that was used before.
    """
    resource, part = _sender(loaded, delivery)
    subjects = sorted(named if named is not None else _recipients(loaded, resource, given, console))
    app = target_of(settings).app_id
    if lapse := lapse_here(settings):
        raise JournalError(lapse)
    if not yes and not dry_run:
        console.confirm(
            f"{settings.name}: record that {amount(len(subjects), 'recipient')} already received {delivery}. This can't be undone.",
            unattended="There is no terminal to confirm on. Add --yes to skip the question. Nothing was recorded.",
            stopped="Stopped; nothing was recorded.",
        )
    former = loaded.former_names.get(delivery, ())
    send = SendElsewhere(delivery, former, str(resource.address), part.message.id, reason)
    if dry_run:
        with read_journal(settings.journal) as journal:
            recorded = journal.would_record(app, send, subjects)
    else:
        with open_for(settings, app) as writable, writable.acquire(app, settings.name) as lease:
            recorded = writable.record_elsewhere(lease, send, subjects)
    document = entry(
        RecordedSends, recorded, environment=settings.name, delivery=delivery, is_dry_run=dry_run
    )
    deliver(console, text=lambda page: recorded_text(document, page), json=lambda: written(document))
    return ExitCode.IN_DOUBT if recorded.unsettled else ExitCode.OK


def _sender(loaded: Loaded, delivery: str) -> tuple[Resource, SendPart]:
    senders = [
        (resource, part)
        for resource in loaded.resources
        for part in resource.parts
        if isinstance(part, SendPart)
    ]
    for resource, part in senders:
        if part.delivery == delivery:
            return resource, part
    known = sorted(part.delivery for _, part in senders)
    have = f"The specs' deliveries are {listing(known)}." if known else "The specs have no sends."
    raise click.UsageError(f"No spec has the delivery {delivery!r}. {have}")


def _recipients(
    loaded: Loaded, resource: Resource, given: tuple[tuple[str, str], ...], console: Console
) -> Iterator[Subject]:
    if audience_of(resource.source) is not None:
        raise click.UsageError(
            "The recipients are an audience, which may have changed since the send. Name the users who received it."
        )
    progress = console.progress()
    only = read_rows(replace(loaded, resources=(resource,)), reading_of(given, progress))
    with Staging(only_rows=True) as staging:
        check(only, staging, progress).raise_if_any()
        yield from list(staging.subjects())
