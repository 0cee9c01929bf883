"""``doctor``: what stands in the way of working with an app, and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import click

from leanplum_sync.cli.connect import App, connected, keys_of
from leanplum_sync.cli.console import Console
from leanplum_sync.cli.exit_codes import ExitCode, exit_code
from leanplum_sync.cli.outputs import Output, deliver, output_option
from leanplum_sync.cli.project import project_file, settings_of
from leanplum_sync.cli.settings import Settings
from leanplum_sync.cli.shell import shortest
from leanplum_sync.cli.verb import Verb, display_options, pass_console, project_options
from leanplum_sync.client.credentials import EMULATOR_KEYS, Keys
from leanplum_sync.client.probe import Probed, probe
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import ApiError, CredentialError, JournalError
from leanplum_sync.journal import read_journal
from leanplum_sync.journal.database import describe
from leanplum_sync.render.doctor import Finding, Level, findings_json, findings_text
from leanplum_sync.render.words import duration
from leanplum_sync.resources.project import EmbeddedEnvironment
from leanplum_sync.spec import load_project
from leanplum_sync.wire.catalogue import ACTIONS, KeyClass

_NEEDED: Final[Mapping[str, frozenset[KeyClass]]] = {
    "plan": frozenset({KeyClass.DATA_EXPORT, KeyClass.CONTENT_READ_ONLY}),
    "apply": frozenset({KeyClass.DATA_EXPORT, KeyClass.CONTENT_READ_ONLY, KeyClass.PRODUCTION}),
}
_MAY: Final[Mapping[KeyClass, str]] = {
    KeyClass.PRODUCTION: "write users, record events and send messages",
    KeyClass.DEVELOPMENT: "change variables, channels and files, import CSV, delete users, and write test data",
    KeyClass.DATA_EXPORT: "read users, export, and manage postbacks",
    KeyClass.CONTENT_READ_ONLY: "read messages, A/B tests and categories",
}
_WITHOUT: Final[Mapping[KeyClass, str]] = {
    KeyClass.PRODUCTION: "`apply` can't write without it",
    KeyClass.DEVELOPMENT: "only `call` uses it",
    KeyClass.DATA_EXPORT: "no user can be read without it",
    KeyClass.CONTENT_READ_ONLY: "messages can't be found by name without it",
}
_WHERE: Final = "App Settings > Keys & Settings in Leanplum's dashboard"
_NOTICEABLE_SECONDS: Final = 60.0  # ages of plans and snapshots are told by this clock
_REWRITTEN_SECONDS: Final = 86_400.0  # Source: recorded traffic: from here on the API warns, and stamps events itself

# What became of asking about a key: what it opens, why that isn't known, or None if there was nobody to ask.
_Told: TypeAlias = Probed | ApiError | None


@click.command("doctor", cls=Verb)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(list(_NEEDED)),
    default="apply",
    help="What the keys must be enough for. Default: apply, which is plan and writing.",
)
@output_option
@project_options
@display_options
@pass_console
def command(console: Console, *, purpose: str, output: Sequence[Output]) -> ExitCode:
    """
    Check keys, clock, host and journal, and say what to do about each finding.

    Asks the app what each key opens, by calls that change nothing and are not
    billed. Keys are never shown. Exit code 9 says that one is missing or wrong.
    """
    file = project_file()
    settings = settings_of(load_project(file), file.parent)
    with ExitStack() as stack:
        try:
            app = stack.enter_context(connected(settings))
        except CredentialError as error:
            app, found = None, [_bad("app", str(error), exit_code(error))]
            told: Mapping[KeyClass, _Told] = {}
        else:
            told = _asked(app)
            found = [*_host(app, told.values()), *_clock(told.values())]
    target, keys = (app.target, app.keys) if app else (None, _keys(settings))
    is_own = isinstance(settings.environment, EmbeddedEnvironment)
    findings = [
        *found,
        *(_key(each, keys, told.get(each), needed=each in _NEEDED[purpose], is_own=is_own) for each in KeyClass),
        _journal(settings),
    ]
    deliver(
        console,
        output,
        text=lambda page: findings_text(target, settings.name, findings, page),
        json=lambda: findings_json(target, settings.name, findings),
    )
    return _code(findings)


def _code(findings: Sequence[Finding]) -> ExitCode:
    """Return the code of what is bad; a key comes first, because the rest may follow from it."""
    codes = {ExitCode(finding.exit_code) for finding in findings if finding.level is Level.BAD}
    return next((code for code in (ExitCode.BAD_KEY, *sorted(codes)) if code in codes), ExitCode.OK)


def _bad(about: str, sentence: str, code: ExitCode, advice: str = "") -> Finding:
    return Finding(Level.BAD, about, sentence, advice, exit_code=code)


def _keys(settings: Settings) -> Keys:
    environment = settings.environment
    if isinstance(environment, EmbeddedEnvironment):
        return Keys.of(EMULATOR_KEYS)
    return keys_of(environment, os.environ)


def _asked(app: App) -> dict[KeyClass, _Told]:
    """Ask about each key that is set; once nobody answers, no more."""
    told: dict[KeyClass, _Told] = {}
    for key_class in KeyClass:
        if any(isinstance(each, ApiError) for each in told.values()):
            break
        if app.keys.has(key_class):
            try:
                told[key_class] = probe(app.keys.key(key_class), app.connection, app.transport, SystemClock())
            except ApiError as error:
                told[key_class] = error
    return told


def _host(app: App, told: Sequence[_Told]) -> Iterator[Finding]:
    ...
