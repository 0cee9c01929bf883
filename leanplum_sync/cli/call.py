"""``call``: any action of the API by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
import orjson

from leanplum_sync.cli.connect import App, connected, target_of
from leanplum_sync.cli.console import Console
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.project import project_file, settings_of
from leanplum_sync.cli.verb import Verb, display_options, pass_console, project_options
from leanplum_sync.client import api
from leanplum_sync.client.api.call import COMMON
from leanplum_sync.client.client import Client
from leanplum_sync.errors import InvalidCallError, LeanplumSyncError, NoAnswerError, UnexpectedResponseError
from leanplum_sync.planner.plan import Target
from leanplum_sync.render.actions import action_text, actions_text
from leanplum_sync.render.plan import target_words
from leanplum_sync.render.values import escaped
from leanplum_sync.render.words import amount
from leanplum_sync.spec import load_project
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import ACTIONS, ActionSpec, ArgumentType, CreateDisposition, KeyClass
from leanplum_sync.wire.envelope import read_outcome
from leanplum_sync.wire.outcome import Outcome

_KEYS: Final = {key_class.value.replace("_", "-"): key_class for key_class in KeyClass}
_DISPOSITION: Final = "createDisposition"


@click.command("call", cls=Verb)
@click.argument("action", metavar="ACTION", required=False)
@click.argument("arguments", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--list", "listing", is_flag=True, help="List all actions, or what ACTION takes; call nothing.")
@click.option(
    "--key",
    type=click.Choice(list(_KEYS)),
    help="Call with the key of this class, such as development for test data. Default: the action's own.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where downloadFile puts the file. Default: here, under the file's own name.",
)
@click.option("--yes", is_flag=True, help="Don't ask before writing. Needed where there is no terminal.")
@project_options
@display_options
@pass_console
def command(
    console: Console,
    *,
    action: str | None,
    arguments: tuple[str, ...],
    listing: bool,
    key: str | None,
    out: Path | None,
    yes: bool,
) -> ExitCode:
    r"""
    Call ACTION and print the element of its answer, as JSON.

    Arguments have the API's own names. A text is taken as it stands: userId=00004,
    userId=4 and userId=true are all ids. Everything else is JSON, in which quotes
    keep a number a text:

    \b
      leanplum-sync call exportUser userId=00004
      leanplum-sync call setUserAttributes userId=00004 \
        userAttributes='{"zip": "00501", "visits": 3}'
      leanplum-sync call multi data='[{"action": "heartbeat", "userId": "a"}]'
      leanplum-sync call uploadFile file=banner.png

    Users are only created with createDisposition=CreateIfNeeded. Nothing is
    journaled, so what may happen only once is yours to watch: exit code 5 says
    that an answer was lost. Exit code 4: the API skipped or refused some of it.
    """
    if listing:
        console.document(_listing(action, console))
        return ExitCode.OK
    if action is None:
        raise click.UsageError("Which action? `call --list` lists them.")
    spec = _spec(action)
    given = _given(spec, arguments)
    key_class = _KEYS[key] if key else None
    file = project_file()
    settings = settings_of(load_project(file), file.parent)
    match action:
        case "uploadFile":
            return _upload(given, console, target_of(settings), yes=yes, opened=lambda: connected(settings))
        case _:
            pass
    raise NotImplementedError


def _listing(action: str | None, console: Console) -> str:
    if action is None:
        return actions_text(ACTIONS, console.page())
    return action_text(_spec(action), COMMON, console.page())
