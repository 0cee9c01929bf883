"""``doctor``: checks keys, clock, host and journal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Final

import click

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.commands.findings import (
    Told,
    bad,
    code_of,
    on_clock,
    on_host,
    on_journal,
    on_key,
    on_migration,
    on_plan_key,
)
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.output.outputs import Output, deliver, output_option
from leanplum_sync.cli.project import settings_here
from leanplum_sync.client.probe import Probed, probe
from leanplum_sync.clock import SystemClock
from leanplum_sync.errors import ApiError, CredentialError
from leanplum_sync.library.connect import App, keys_of
from leanplum_sync.planner.plan import Target
from leanplum_sync.project.model import EmbeddedEnvironment
from leanplum_sync.project.settings import Settings
from leanplum_sync.render.doctor import Finding, findings_json, findings_text
from leanplum_sync.wire.catalogue import KeyClass

_NEEDED: Final[Mapping[str, frozenset[KeyClass]]] = {
    "plan": frozenset({KeyClass.DATA_EXPORT, KeyClass.CONTENT_READ_ONLY}),
    "apply": frozenset({KeyClass.DATA_EXPORT, KeyClass.CONTENT_READ_ONLY, KeyClass.PRODUCTION}),
}


@click.command("doctor", cls=Command)
@click.option(
    "--for",
    "purpose",
    type=click.Choice(list(_NEEDED)),
    default="plan",
    help="The command to check the keys for: plan only reads, apply also writes. Default: plan.",
)
@output_option
@in_project
def command(console: Console, *, purpose: str, output: Sequence[Output]) -> ExitCode:
    """
    Check keys, clock, host and journal, and show how to fix each problem.

    Each key's permissions are checked with calls that change nothing and are not billed. Keys are never
    shown. Exit code 9: a key is wrong, or a key that --for requires is not set.
    """
    settings = settings_here()
    target, about_app = _examined(settings, _NEEDED[purpose])
    findings = [
        *about_app,
        on_plan_key(os.environ),
        on_journal(settings.journal, settings.name, SystemClock().now()),
    ]
    deliver(
        console,
        output,
        text=lambda page: findings_text(target, settings.name, findings, page),
        json=lambda: findings_json(target, settings.name, findings),
    )
    return code_of(findings)


def _examined(settings: Settings, needed: frozenset[KeyClass]) -> tuple[Target | None, list[Finding]]:
    is_own = isinstance(settings.environment, EmbeddedEnvironment)
    try:
        with connected(settings) as app:
            told = _asked(app)
            target, keys, found = app.target, app.keys, [on_host(app.target, told), on_clock(told)]
            found += on_migration(told, app.reader())
    except CredentialError as error:
        if isinstance(settings.environment, EmbeddedEnvironment):
            raise
        told, keys = {}, keys_of(settings.environment, os.environ)
        target, found = None, [bad("app", str(error), ExitCode.BAD_KEY)]
    of_keys = [on_key(each, keys, told, is_needed=each in needed, is_own=is_own) for each in KeyClass]
    return target, [*found, *of_keys]


def _asked(app: App) -> Told:
    """Check each key that is set, up to the first call that gets no answer."""
    told: dict[KeyClass, Probed | ApiError] = {}
    for key_class in filter(app.keys.has, KeyClass):
        try:
            told[key_class] = probe(app.keys.key(key_class), app.connection, app.transport, SystemClock())
        except ApiError as error:
            told[key_class] = error
            break
    return told
