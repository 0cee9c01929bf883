"""``doctor``: checks keys, clock, host, journal and connections."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import click

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import deliver, output_option
from leanplum_sync.cli.project import project_file, settings_here
from leanplum_sync.cli.shell import shortest
from leanplum_sync.client.credentials import Keys
from leanplum_sync.client.probe import Probed, probe
from leanplum_sync.clock import SystemClock
from leanplum_sync.encryption import KEY_VARIABLE, SealingKeys
from leanplum_sync.errors import (
    ApiError,
    CredentialError,
    JournalError,
    LeanplumSyncError,
    SourceUnreachableError,
)
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.database import describe
from leanplum_sync.library.access import keys_of
from leanplum_sync.library.connect import App
from leanplum_sync.library.journal_here import lapse_here
from leanplum_sync.library.kept_files import only_here
from leanplum_sync.library.reading import EXPORTED_FOR_SECONDS, exporting
from leanplum_sync.operations.migration import AsksForMigration
from leanplum_sync.operations.probing import probe_export
from leanplum_sync.operations.read_rows import connected_to
from leanplum_sync.planner.plan import Target
from leanplum_sync.progress import Progress
from leanplum_sync.project.model import Connection, EmbeddedEnvironment
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.doctor import Finding, Level, findings_json, findings_text, shape_words
from leanplum_sync.render.values import amount, duration
from leanplum_sync.sources.connections.reader import QueryError
from leanplum_sync.specs import load_project
from leanplum_sync.staging.scratch import ScratchFolder
from leanplum_sync.wire.catalogue import ACTIONS, KeyClass
from leanplum_sync.wire.migration import MIGRATION_KEYS, Migration

# The permissions of each key that is set, or the error of checking it.
_Told: TypeAlias = Mapping[KeyClass, Probed | ApiError]

_WHERE: Final = "App Settings > Keys & Settings in Leanplum's dashboard"
_NOTICEABLE_SECONDS: Final = 60.0  # ages of plans, snapshots and locks are measured with this clock
_REWRITTEN_SECONDS: Final = (
    86_400.0  # Source: recorded traffic: from here on the API warns and replaces the timestamps of events
)
_PURPOSES: Final = ("plan", "apply")


def _needed(purpose: str, writes: KeyClass) -> frozenset[KeyClass]:
    """Return the keys that *purpose* may need in an environment that *writes* with this key."""
    reads = frozenset({KeyClass.DATA_EXPORT, KeyClass.CONTENT_READ_ONLY})
    return reads | {writes} if purpose == "apply" else reads


def _may(key_class: KeyClass) -> str:
    match key_class:
        case KeyClass.PRODUCTION:
            return "write users, record events, and send messages"
        case KeyClass.DEVELOPMENT:
            return "change variables, channels and files, import CSV, delete users, and write test data"
        case KeyClass.DATA_EXPORT:
            return "read users, export, and manage postbacks"
        case KeyClass.CONTENT_READ_ONLY:
            return "read messages, A/B tests, and categories"


def _without(key_class: KeyClass, writes: KeyClass) -> str:
    if key_class is writes:
        return "`apply` can't write without it"
    match key_class:
        case KeyClass.PRODUCTION:
            return f"this environment writes with the {writes.words} key"
        case KeyClass.DEVELOPMENT:
            return "only some actions of `call` need it"
        case KeyClass.DATA_EXPORT:
            return "users can't be read without it"
        case KeyClass.CONTENT_READ_ONLY:
            return "messages can't be found by name without it"


@click.command("doctor", cls=Command)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(_PURPOSES),
    default="plan",
    help="Which command to check keys for: plan (reads only) or apply (also writes). Default: plan.",
)
@click.option(
    "--export",
    "exported",
    metavar="ATTRIBUTE",
    help="Also export the users who have ATTRIBUTE, with one of 40 exportUsers jobs a day, and describe the file: how it quotes, and whether it is sorted, repeats users, or lists users without a value. Default: no export.",
)
@output_option
@in_project
def command(console: Console, *, purpose: str, exported: str | None) -> ExitCode:
    """
    Check keys, clock, host, journal, and connections, and show how to fix each problem.

    Each key's permissions are checked with calls that change nothing and are not billed. Keys are never
    shown. How files of exportUsers are written is not documented; --export finds it out for your app. Exit code 9: a key is wrong, or a key that --for requires is not set.
    """
    settings = settings_here()
    target, about_app = _examined(settings, _needed(purpose, settings.environment.writes))
    findings = [
        *about_app,
        *([] if exported is None else [_on_export(settings, exported, console.progress())]),
        _on_plan_key(os.environ, settings),
        _on_journal(os.environ, settings, SystemClock().now()),
        *(_on_connection(each, settings.root) for each in load_project(project_file()).connections.values()),
    ]
    deliver(
        console,
        text=lambda page: findings_text(target, settings.name, findings, page),
        json=lambda: findings_json(target, settings.name, findings),
    )
    return _code_of(findings)


def _examined(settings: Settings, needed: frozenset[KeyClass]) -> tuple[Target | None, list[Finding]]:
    is_own = isinstance(settings.environment, EmbeddedEnvironment)
    try:
        with connected(settings, "doctor") as app:
            told = _asked(app)
            target, keys, found = app.target, app.keys, [_on_host(app.target, told), _on_clock(told)]
            found += _on_migration(told, app.reader())
    except CredentialError as error:
        if isinstance(settings.environment, EmbeddedEnvironment):
            raise
        told, keys = {}, keys_of(settings.environment, os.environ)
        target, found = None, [_bad("app", str(error), ExitCode.BAD_KEY)]
    writes = settings.environment.writes
    of_keys = [
        _on_key(each, keys, told, writes, is_needed=each in needed, is_own=is_own) for each in KeyClass
    ]
    return target, [*found, *of_keys]


def _asked(app: App) -> _Told:
    """Check each key that is set, up to the first call that gets no response."""
    told: dict[KeyClass, Probed | ApiError] = {}
    for key_class in filter(app.keys.has, KeyClass):
        try:
            told[key_class] = probe(app.keys.key(key_class), app.connection, app.transport, SystemClock())
        except ApiError as error:
            told[key_class] = error
            break
    return told


def _on_host(target: Target, told: _Told) -> Finding:
    for answer in told.values():
        if isinstance(answer, ApiError):
            return _bad(
                "host",
                str(answer),
                exit_code(answer),
                "Try again later. If it still fails, check the proxy and the firewall.",
            )
        if not answer.knows_app:
            sentence = f"{target.host} does not recognize the app {target.app_id}."
            return _bad("app", sentence, ExitCode.BAD_KEY, f"Compare the app id with {_WHERE}.")
    if not told:
        return Finding(Level.NOTE, "host", f"Could not check {target.host}: no key is set.")
    return Finding(Level.GOOD, "host", f"{target.host} is reachable and recognizes the app {target.app_id}.")


def _on_clock(told: _Told) -> Finding:
    skews = [answer.skew_seconds for answer in told.values() if isinstance(answer, Probed)]
    skew = next((skew for skew in skews if skew is not None), None)
    if skew is None:
        return Finding(Level.NOTE, "clock", "The host did not send its time.")
    if abs(skew) < _NOTICEABLE_SECONDS:
        return Finding(
            Level.GOOD,
            "clock",
            f"This machine's clock and the host's differ by less than {duration(abs(skew) + 1)}.",
        )
    sentence = f"This machine's clock is {duration(abs(skew))} {'behind' if skew > 0 else 'ahead'}."
    if abs(skew) < _REWRITTEN_SECONDS:
        return Finding(
            Level.NOTE, "clock", sentence, "Set the clock: the ages of plans and locks depend on it."
        )
    return _bad(
        "clock",
        sentence,
        ExitCode.INVALID,
        "Set the clock: if it is off by a day or more, the API replaces event timestamps.",
    )


def _on_migration(told: _Told, reader: AsksForMigration) -> list[Finding]:
    """Return whether the app is being moved to CleverTap; nothing where nobody can be asked."""
    if not any(isinstance(answer, Probed) and answer.key_class in MIGRATION_KEYS for answer in told.values()):
        return []
    try:
        migration = reader.migration()
    except ApiError as error:
        return [
            Finding(
                Level.NOTE,
                "migration",
                f"Could not check whether the app is being moved to CleverTap: {error}",
            )
        ]
    match migration:
        case None:
            return []
        case Migration.NONE:
            return [Finding(Level.GOOD, "migration", "The app is not being moved to CleverTap.")]
        case Migration.COPYING:
            sentence = (
                "Leanplum is copying the app to CleverTap, so plans need consent for every user they change."
            )
            return [
                Finding(
                    Level.NOTE, "migration", sentence, "Set duringMigration in the budget, or pass --ack."
                )
            ]
        case Migration.MOVED:
            sentence = (
                "The app has moved to CleverTap, so Leanplum's data about its users may be out of date."
            )
            return [_bad("migration", sentence, ExitCode.STALE_PLAN, "Work with CleverTap instead.")]


def _on_key(
    key_class: KeyClass, keys: Keys, told: _Told, writes: KeyClass, *, is_needed: bool, is_own: bool
) -> Finding:
    """*is_own*: the embedded emulator holds the key, so there is no variable to name."""
    about = f"{key_class.words} key"
    variable = keys.variable(key_class)
    if not keys.has(key_class):
        return Finding(
            Level.BAD if is_needed else Level.NOTE,
            about,
            f"{variable} is not set: {_without(key_class, writes)}.",
            f"Find it in {_WHERE}." if is_needed else "",
            exit_code=ExitCode.BAD_KEY,
        )
    match told.get(key_class):
        case Probed(key_class=found) if found is key_class:
            holder = "The emulator's own key" if is_own else variable
            may = tuple(name for name, spec in ACTIONS.items() if spec.key_class is key_class)
            return Finding(Level.GOOD, about, f"{holder} can {_may(key_class)}.", actions=may)
        case Probed(key_class=None, knows_app=True):
            return _bad(
                about, f"{variable} is not a key for this app.", ExitCode.BAD_KEY, f"Take it from {_WHERE}."
            )
        case Probed(key_class=KeyClass() as found):
            sentence = f"{variable} holds the {found.words} key, which can {_may(found)}."
            advice = f"Set it to the {key_class.words} key, from {_WHERE}."
            return _bad(about, sentence, ExitCode.BAD_KEY, advice)
        case Probed() | ApiError() | None:
            return Finding(Level.NOTE, about, f"{variable} is set. Could not check its permissions.")


def _on_export(settings: Settings, attribute: str, progress: Progress) -> Finding:
    scratch = ScratchFolder(settings.state_folder)
    try:
        with (
            connected(settings, "doctor", needs=[KeyClass.DATA_EXPORT]) as app,
            exporting(settings, app, "doctor", EXPORTED_FOR_SECONDS, progress) as jobs,
        ):
            shape = probe_export(jobs, attribute, scratch.path)
    except LeanplumSyncError as error:
        return _bad("export", str(error), exit_code(error))
    finally:
        scratch.close()
    level = Level.GOOD if shape.certain or not shape.rows else Level.NOTE
    advice = ""
    if not shape.rows:
        advice = "Check the spelling: perhaps no user has this attribute."
    elif shape.certain < shape.rows:
        advice = "Plans with --observed export read users whose value is not certain."
    return Finding(level, "export", shape_words(attribute, shape), advice)


def _on_plan_key(environ: Mapping[str, str], settings: Settings) -> Finding:
    try:
        codec = SealingKeys.from_environment(environ).to_seal(b"", "doctor")
    except CredentialError as error:
        return _bad("encryption", str(error), ExitCode.BAD_KEY)
    if not codec.key_id:
        return Finding(
            Level.NOTE,
            "encryption",
            f"{KEY_VARIABLE} is not set: values in plans and journals are not encrypted.",
            only_here(settings),
        )
    return Finding(
        Level.GOOD, "encryption", f"{KEY_VARIABLE} is set: new plans are encrypted with {codec.key_id}."
    )


def _on_journal(environ: Mapping[str, str], settings: Settings, now: float) -> Finding:
    location, environment = settings.journal, settings.name
    name = describe(shortest(location))
    try:
        keys = SealingKeys.from_environment(environ)
    except CredentialError:
        keys = SealingKeys()  # reported as such
    try:
        with read_journal(location, keys=keys) as journal:
            locks = [lock for lock in journal.locks() if lock.environment == environment and lock.until > now]
        lapse = lapse_here(settings)
    except (CredentialError, JournalError) as error:
        return _bad("journal", str(error), exit_code(error))
    if lapse:
        return _bad("journal", lapse, ExitCode.STALE_PLAN)
    if locks:
        lock = locks[0]
        sentence = f"{name}: process {lock.pid} on {lock.host} is using it."
        return _bad("journal", sentence, ExitCode.LOCKED, "Wait until the process ends; `status` shows more.")
    if isinstance(location, Path) and not os.access(_existing(location), os.W_OK):
        return _bad(
            "journal",
            f"{name} can't be written.",
            ExitCode.CANT_WRITE,
            "Change its permissions, because `apply` writes to it.",
        )
    return Finding(Level.GOOD, "journal", f"{name} is not in use.")


def _on_connection(connection: Connection, root: Path) -> Finding:
    about = f"connection {connection.name}"
    try:
        with connected_to(connection, root, os.environ) as reader:
            account, server = reader.account(), reader.server
    except (CredentialError, SourceUnreachableError) as error:
        return _bad(about, str(error), exit_code(error))
    except QueryError as error:
        return _bad(about, f"Connection {connection.name}: {error.message}.", ExitCode.INVALID)
    zone = f" Its time zone is {account.time_zone}; queries run in UTC." if account.time_zone else ""
    if not account.is_checked:
        sentence = f"{server} is reachable. Queries run inside a SELECT; the account's other permissions were not checked.{zone}"
        return Finding(Level.NOTE, about, sentence, "Use a read-only account.")
    refused = " A trial write was refused." if account.accepts_writes is False else ""
    match account.writable:
        case None:
            return Finding(
                Level.GOOD, about, f"{server} is reachable. It was opened read-only.{refused}{zone}"
            )
        case 0 if refused:
            return Finding(
                Level.GOOD,
                about,
                f"{server} is reachable. The account can't write to any table.{refused}{zone}",
            )
        case 0:
            can = "can create tables (a trial write was accepted, and rolled back)"
        case count:
            trial = "a trial write was refused" if refused else "a trial write was accepted, and rolled back"
            can = f"has write access to {amount(count, 'table')} ({trial})"
    return Finding(
        Level.NOTE,
        about,
        f"{server} is reachable. The account {can}, but queries run read-only.{zone}",
        "Use a read-only account.",
    )


def _bad(about: str, sentence: str, code: ExitCode, advice: str = "") -> Finding:
    return Finding(Level.BAD, about, sentence, advice, exit_code=code)


def _code_of(findings: Iterable[Finding]) -> ExitCode:
    """Return the code of the bad findings. A bad key takes precedence, because it may cause the others."""
    codes = {ExitCode(finding.exit_code) for finding in findings if finding.level is Level.BAD}
    return ExitCode.BAD_KEY if ExitCode.BAD_KEY in codes else min(codes, default=ExitCode.OK)


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())
