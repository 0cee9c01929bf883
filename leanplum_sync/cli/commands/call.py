"""``call``: calls any action of the API."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias

import click
import orjson

from leanplum_sync.cli.command import Command, in_project
from leanplum_sync.cli.completion import actions
from leanplum_sync.cli.connect import connected
from leanplum_sync.cli.exit_codes import ExitCode
from leanplum_sync.cli.options.basic import file_option
from leanplum_sync.cli.output.console import Console
from leanplum_sync.cli.project import settings_here
from leanplum_sync.client import api
from leanplum_sync.client.api.batch import key_class_of
from leanplum_sync.client.api.call import COMMON
from leanplum_sync.client.client import Client
from leanplum_sync.errors import InvalidCallError, NoAnswerError, UnexpectedResponseError
from leanplum_sync.render.actions import action_text, actions_text
from leanplum_sync.render.plan_words import target_words
from leanplum_sync.render.values import amount, escaped, listing
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import ACTIONS, ActionSpec, ArgumentType, CreateDisposition, KeyClass
from leanplum_sync.wire.envelope import read_outcome
from leanplum_sync.wire.outcome import ActionOutcome, Outcome

_Element: TypeAlias = Mapping[str, Json]

_DISPOSITION: Final = "createDisposition"
_UPLOAD: Final = {"file": ArgumentType.BINARY, "filename": ArgumentType.TEXT}
_KEYS: Final = {key_class.value.replace("_", "-"): key_class for key_class in KeyClass}
_NAMED: Final = 3  # users in the question


@dataclass(frozen=True, slots=True)
class _Single:
    call: api.Call[_Element]


@dataclass(frozen=True, slots=True)
class _Batch:
    calls: tuple[api.Call[_Element], ...]


@dataclass(frozen=True, slots=True)
class _Upload:
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class _Download:
    name: str
    into: Path


_Request: TypeAlias = _Single | _Batch | _Upload | _Download


@dataclass(frozen=True, slots=True)
class _Answer:
    """
    *document* is the response: an element or a list of them.

    *not_done* are the writes that did not happen.
    """

    document: _Element | Sequence[_Element]
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
    Call ACTION of the API and print the response as JSON.

    Arguments are named as in the API. Text arguments are taken literally:
    userId=00004 keeps its zeros. Other arguments are JSON, such as
    userAttributes='{"zip": "00501", "visits": 3}'.

    Users are only created with createDisposition=CreateIfNeeded. Calls are not journaled, so make sure
    yourself that nothing is sent twice. Exit code 4: part of the call was skipped or refused; 5: the response
    to a write was lost.
    """
    if lists:
        page = console.page()
        console.document(
            action_text(_spec_of(action), COMMON, page) if action else actions_text(ACTIONS, page)
        )
        return ExitCode.OK
    if action is None:
        raise click.UsageError("Specify an action. `call --list` lists them.")
    key_class = _KEYS[key] if key else None
    request = _read_request(_spec_of(action), arguments, key_class, out)
    writes = any(ACTIONS[name].writes for name in _actions_of(request))
    with connected(settings_here(), "call", _needs(request)) as app:
        if writes and not yes:
            console.confirm(
                f"This calls {_deeds(request)} in {target_words(app.target)}.",
                unattended="This call writes, and there is no terminal to confirm it on. Add --yes to skip the question. Nothing was sent.",
                stopped="Stopped; nothing was sent.",
            )
        try:
            answer = _send(
                request, Client(app.connection, app.keys, app.transport, on_spent=app.costs.spend), key_class
            )
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


def _needs(request: _Request) -> Sequence[KeyClass]:
    """Return the key that the call needs, if it is the only one that will do."""
    match request:
        case _Single(call) if call.fallback is None:
            return [call.key_class]
        case _Single() | _Batch() | _Upload() | _Download():
            return []


def _send(request: _Request, client: Client, key_class: KeyClass | None) -> _Answer:
    match request:
        case _Single(call):
            element = client.call(call)
            outcome = read_outcome(element, call.action)
            return _Answer(element, _not_done([(call.action.name, outcome)]))
        case _Batch(calls):
            results = client.batch(calls, key_class=key_class)
            outcomes = [
                (call.action.name, result.outcome) for call, result in zip(calls, results, strict=True)
            ]
            return _Answer([result.element for result in results], _not_done(outcomes))
        case _Upload(name, path):
            client.upload_file({name: path.read_bytes()})
            return _Answer({"success": True})
        case _Download(name, into):
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


def _shown(document: _Element | Sequence[_Element]) -> str:
    """Return JSON in ASCII, because values may hold terminal control codes."""
    return json.dumps(document, indent=2).replace("\x7f", "\\u007f")


def _deeds(request: _Request) -> str:
    """Return such as ``track 3 times and sendMessage for user-1 and user-2``."""
    counted = Counter(_actions_of(request))
    deeds = [name if times == 1 else f"{name} {times} times" for name, times in counted.items()]
    subjects = [escaped(subject) for subject in _subjects_of(request)]
    if len(subjects) > _NAMED:
        return f"{listing(deeds)} for {amount(len(subjects), 'user')}"
    return f"{listing(deeds)} for {listing(subjects)}" if subjects else listing(deeds)


def _spec_of(action: str) -> ActionSpec:
    """
    Raises:
        click.UsageError: the action does not exist.
    """
    if action not in ACTIONS:
        raise click.UsageError(
            f"Unknown action {action!r}.{_meant(action, ACTIONS)} `call --list` lists them."
        )
    return ACTIONS[action]


def _read_request(
    spec: ActionSpec, arguments: Sequence[str], key_class: KeyClass | None, out: Path | None
) -> _Request:
    """
    Raises:
        click.UsageError: the API would refuse the request.
    """
    if out is not None and spec.name != "downloadFile":
        raise click.UsageError("--out is only for downloadFile. Other responses go to standard output.")
    try:
        match spec.name, _given(spec, arguments):
            case "uploadFile", given:
                return _upload(given)
            case "downloadFile", given:
                return _download(given, out)
            case "multi", {"data": data, **others}:
                if others:
                    raise click.UsageError(f"multi takes data or {', '.join(others)}, not both.")
                calls = tuple(_call_in(element, key_class) for element in _elements(data))
                key_class_of(calls, key_class)
                return _Batch(calls)
            case name, given:
                return _Single(_call(name, given, key_class))
    except InvalidCallError as error:
        raise click.UsageError(str(error)) from error


def _actions_of(request: _Request) -> tuple[str, ...]:
    match request:
        case _Single(call):
            return (call.action.name,)
        case _Batch(calls):
            return tuple(call.action.name for call in calls)
        case _Upload():
            return ("uploadFile",)
        case _Download():
            return ("downloadFile",)


def _subjects_of(request: _Request) -> tuple[str, ...]:
    """Return the ids of users, or of devices, in the request, each once."""
    calls = (
        request.calls
        if isinstance(request, _Batch)
        else (request.call,)
        if isinstance(request, _Single)
        else ()
    )
    arguments = (call.action.arguments for call in calls)
    ids = (each.get("userId") or each.get("deviceId") for each in arguments)
    return tuple(dict.fromkeys(one for one in ids if one))


def _given(spec: ActionSpec, arguments: Iterable[str]) -> dict[str, Json]:
    known = {**spec.arguments, **COMMON}
    given: dict[str, Json] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals:
            raise click.UsageError(f"{argument!r} is not NAME=VALUE, such as userId=00004.")
        if name not in known:
            raise click.UsageError(
                f"{spec.name} takes no {name!r}.{_meant(name, known)} `call --list {spec.name}` lists its arguments."
            )
        if name in given:
            raise click.UsageError(f"{name} is given twice.")
        given[name] = _value(known[name], text)
    return given


def _value(kind: ArgumentType, text: str) -> Json:
    """Text is taken literally, so that ids keep their zeros. Other values are parsed as JSON, or refused later."""
    if kind in (ArgumentType.TEXT, ArgumentType.BINARY):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return text if kind is ArgumentType.TEXT_OR_LIST and not isinstance(value, list) else value


def _call(name: str, arguments: Mapping[str, Json], key_class: KeyClass | None) -> api.Call[_Element]:
    """By default some actions would create a profile for a mistyped id."""
    takes_disposition = name in ACTIONS and _DISPOSITION in ACTIONS[name].optional
    default = {_DISPOSITION: CreateDisposition.NEVER.value} if takes_disposition else {}
    return api.action(name, {**default, **arguments}, key_class=key_class)


def _elements(data: Json) -> list[dict[str, Json]]:
    match data:
        case list() if all(
            isinstance(element, dict) and isinstance(element.get("action"), str) for element in data
        ):
            return data
        case _:
            raise click.UsageError('data must be a list of objects, each with an "action".')


def _call_in(element: Mapping[str, Json], key_class: KeyClass | None) -> api.Call[_Element]:
    spec = _spec_of(element["action"])
    return _call(spec.name, {name: value for name, value in element.items() if name != "action"}, key_class)


def _upload(given: Mapping[str, Json]) -> _Upload:
    if "file" not in given or given.keys() - _UPLOAD.keys():
        raise click.UsageError(
            "uploadFile takes file=PATH, and filename=NAME if the app should store it under another name."
        )
    path = Path(given["file"])
    if not path.is_file():
        raise click.UsageError(f"{path}: no such file.")
    return _Upload(given.get("filename") or path.name, path)


def _download(given: Mapping[str, Json], out: Path | None) -> _Download:
    name = given.get("filename")
    if not name:
        raise click.UsageError("downloadFile needs filename.")
    into = out or Path(Path(name).name)
    if into.exists():
        raise click.UsageError(f"{into} already exists. Choose another file with --out.")
    return _Download(name, into)


def _meant(name: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[close[0]]}?" if close else ""
