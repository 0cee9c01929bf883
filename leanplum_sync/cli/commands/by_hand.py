"""Parses ``ACTION NAME=VALUE...`` of ``call`` into a request, checked against the catalogue before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias

import click
import orjson

from leanplum_sync.client import api
from leanplum_sync.client.api.batch import key_class_of
from leanplum_sync.client.api.call import COMMON
from leanplum_sync.errors import InvalidCallError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import ACTIONS, ActionSpec, ArgumentType, CreateDisposition, KeyClass

Element: TypeAlias = Mapping[str, Json]

_DISPOSITION: Final = "createDisposition"
_UPLOAD: Final = {"file": ArgumentType.BINARY, "filename": ArgumentType.TEXT}


@dataclass(frozen=True, slots=True)
class Single:
    call: api.Call[Element]


@dataclass(frozen=True, slots=True)
class Batch:
    calls: tuple[api.Call[Element], ...]


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Download:
    name: str
    into: Path


Request: TypeAlias = Single | Batch | Upload | Download


def spec_of(action: str) -> ActionSpec:
    """
    Raises:
        click.UsageError: the action does not exist.
    """
    if action not in ACTIONS:
        raise click.UsageError(
            f"Unknown action {action!r}.{_meant(action, ACTIONS)} `call --list` lists them."
        )
    return ACTIONS[action]


def read_request(
    spec: ActionSpec, arguments: Sequence[str], key_class: KeyClass | None, out: Path | None
) -> Request:
    """
    Raises:
        click.UsageError: the API would refuse the request.
    """
    if out is not None and spec.name != "downloadFile":
        raise click.UsageError("--out is only for downloadFile. Other answers go to standard output.")
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
                return Batch(calls)
            case name, given:
                return Single(_call(name, given, key_class))
    except InvalidCallError as error:
        raise click.UsageError(str(error)) from error


def actions_of(request: Request) -> tuple[str, ...]:
    match request:
        case Single(call):
            return (call.action.name,)
        case Batch(calls):
            return tuple(call.action.name for call in calls)
        case Upload():
            return ("uploadFile",)
        case Download():
            return ("downloadFile",)


def subjects_of(request: Request) -> tuple[str, ...]:
    """Return the ids of users, or of devices, in the request, each once."""
    calls = (
        request.calls
        if isinstance(request, Batch)
        else (request.call,)
        if isinstance(request, Single)
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


def _call(name: str, arguments: Mapping[str, Json], key_class: KeyClass | None) -> api.Call[Element]:
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


def _call_in(element: Mapping[str, Json], key_class: KeyClass | None) -> api.Call[Element]:
    spec = spec_of(element["action"])
    return _call(spec.name, {name: value for name, value in element.items() if name != "action"}, key_class)


def _upload(given: Mapping[str, Json]) -> Upload:
    if "file" not in given or given.keys() - _UPLOAD.keys():
        raise click.UsageError(
            "uploadFile takes file=PATH, and filename=NAME if the app should store it under another name."
        )
    path = Path(given["file"])
    if not path.is_file():
        raise click.UsageError(f"{path}: no such file.")
    return Upload(given.get("filename") or path.name, path)


def _download(given: Mapping[str, Json], out: Path | None) -> Download:
    name = given.get("filename")
    if not name:
        raise click.UsageError("downloadFile needs filename.")
    into = out or Path(Path(name).name)
    if into.exists():
        raise click.UsageError(f"{into} already exists. Name another file with --out.")
    return Download(name, into)


def _meant(name: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    close = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[close[0]]}?" if close else ""
