"""``call``: calls any action of the API."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.commands.by_hand import (
    Batch,
    Download,
    Element,
    Request,
    Single,
    Upload,
    actions_of,
    read_request,
    spec_of,
    subjects_of,
)
from leanplum_sync.cli.completion import actions
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import file_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.project import settings_here
from leanplum_sync.client.api.call import COMMON
from leanplum_sync.client.client import Client
from leanplum_sync.errors import NoAnswerError, UnexpectedResponseError
from leanplum_sync.render.actions import action_text, actions_text
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import escaped
from leanplum_sync.render.words import amount, listing
from leanplum_sync.wire.catalogue import ACTIONS, KeyClass
from leanplum_sync.wire.envelope import read_outcome
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

_KEYS: Final = {key_class.value.replace("_", "-"): key_class for key_class in KeyClass}
_NAMED: Final = 3  # users in the question


@dataclass(frozen=True, slots=True)
class _Answer:
    """
    *document* is the answer: an element or a list of them.

    *not_done* are the writes that did not happen.
    """

    document: Element | Sequence[Element]
    not_done: Sequence[ActionOutcome] = ()


@click.command("call", cls=Command)
@click.argument("action", metavar="ACTION", required=False, shell_complete=actions)
@click.argument("arguments", metavar="[NAME=VALUE]...", nargs=-1)
@click.option(
    "--list",
    "lists",
    is_flag=True,
    help="List all actions, or the arguments of ACTION, without calling anything.",
)
@click.option(
    "--key",
    type=click.Choice(list(_KEYS)),
    help="Which class of key to use, such as development for test data. Default: the class that the action needs.",
)
@file_option(
    "--out",
    help="Where downloadFile saves the file. Default: under the file's own name in the working folder.",
)
@click.option("--yes", is_flag=True, help="Don't ask before writing. Required without a terminal.")
@in_project
def command(
    console: Console,
    *,
    action: str | None,
    arguments: tuple[str, ...],
    lists: bool,
    key: str | None,
    out: Path | None,
    yes: bool,
) -> ExitCode:
    """
    Call ACTION of the API and print the answer as JSON.

    Arguments are named as in the API. Text arguments are taken literally:
    userId=00004 keeps its zeros. Other arguments are JSON, such as
    userAttributes='{"zip": "00501", "visits": 3}'.

    Users are only created with createDisposition=CreateIfNeeded. Calls are not journaled, so it is up to
    you not to send anything twice. Exit code 4: part of the call was skipped or refused; 5: the answer to a
    write was lost.
    """
    if lists:
        page = console.page()
        console.document(
            action_text(spec_of(action), COMMON, page) if action else actions_text(ACTIONS, page)
        )
        return ExitCode.OK
    if action is None:
        raise click.UsageError("Name an action. `call --list` lists them.")
    key_class = _KEYS[key] if key else None
    request = read_request(spec_of(action), arguments, key_class, out)
    writes = any(ACTIONS[name].writes for name in actions_of(request))
    with connected(settings_here()) as app:
        if writes and not yes:
            console.confirm(
                f"This calls {_deeds(request)} in {target_words(app.target)}.",
                unattended="This writes, and there is no terminal to confirm it on. Add --yes to skip the question. Nothing was sent.",
                stopped="Stopped; nothing was sent.",
            )
        try:
            answer = _send(request, Client(app.connection, app.keys, app.transport), key_class)
        except (NoAnswerError, UnexpectedResponseError) as error:
            if not writes:
                raise
            console.complain(
                f"Error: {escaped(str(error))}\nCheck whether it was carried out before you call again."
            )
            return ExitCode.IN_DOUBT
    console.document(_shown(answer.document))
    for outcome in answer.not_done:
        console.say(f"Not done: {escaped(outcome.message)}")
    return ExitCode.IN_PART if answer.not_done else ExitCode.OK


def _send(request: Request, client: Client, key_class: KeyClass | None) -> _Answer:
    match request:
        case Single(call):
            element = client.call(call)
            outcome = read_outcome(element, call.action)
            return _Answer(element, _not_done([(call.action.name, outcome)]))
        case Batch(calls):
            results = client.batch(calls, key_class=key_class)
            outcomes = [
                (call.action.name, result.outcome) for call, result in zip(calls, results, strict=True)
            ]
            return _Answer([result.element for result in results], _not_done(outcomes))
        case Upload(name, path):
            client.upload_file({name: path.read_bytes()})
            return _Answer({"success": True})
        case Download(name, into):
            # The API answers with the address of the file, not with an element.
            client.download_file(name, into)
            return _Answer({"success": True, "file": str(into)})


def _not_done(outcomes: Sequence[tuple[str, ActionOutcome]]) -> tuple[ActionOutcome, ...]:
    """
    Return the rejected actions and the skipped writes.

    A skipped read just means that the user does not exist.
    """
    return tuple(
        outcome
        for name, outcome in outcomes
        if outcome.outcome is Outcome.REJECTED
        or (outcome.outcome is Outcome.SKIPPED and ACTIONS[name].writes)
    )


def _shown(document: Element | Sequence[Element]) -> str:
    """Return JSON in ASCII, because values may hold terminal control codes."""
    return json.dumps(document, indent=2).replace("\x7f", "\\u007f")


def _deeds(request: Request) -> str:
    """Return such as ``track 3 times and sendMessage about user-1 and user-2``."""
    counted = Counter(actions_of(request))
    deeds = [name if times == 1 else f"{name} {times} times" for name, times in counted.items()]
    subjects = [escaped(subject) for subject in subjects_of(request)]
    if len(subjects) > _NAMED:
        return f"{listing(deeds)} about {amount(len(subjects), 'user')}"
    return f"{listing(deeds)} about {listing(subjects)}" if subjects else listing(deeds)
