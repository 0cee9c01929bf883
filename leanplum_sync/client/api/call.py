"""A typed call: an action, and how its response is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from leanplum_sync.errors import InvalidCallError
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.catalogue import ACTIONS, ArgumentType, CreateDisposition, KeyClass, Target

T = TypeVar("T")

_A: Final[Mapping[ArgumentType, str]] = {
    ArgumentType.TEXT: "a string",
    ArgumentType.NUMBER: "a number",
    ArgumentType.INTEGER: "a whole number",
    ArgumentType.BOOLEAN: "true or false",
    ArgumentType.OBJECT: "an object",
    ArgumentType.LIST: "a list",
    ArgumentType.BINARY: "bytes",
    ArgumentType.TEXT_OR_LIST: "a string or a list",
}
COMMON: Final[Mapping[str, ArgumentType]] = {"devMode": ArgumentType.BOOLEAN, "time": ArgumentType.NUMBER}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    Nothing is sent until the call is passed to a ``Client``, alone or in a batch. *read* turns the element
    into the typed response. *key_class* overrides the key class in the catalogue. *fallback* is tried if the
    first key is refused, for actions whose documentation is contradictory. *answers_when_skipped*: a skip
    warning is a response ("no such user"), not a refusal.
    """

    action: Action
    read: Callable[[Mapping[str, Json]], T]
    key_class: KeyClass
    fallback: KeyClass | None = None
    answers_when_skipped: bool = False

    def __repr__(self) -> str:
        return f"Call({self.action.name})"  # arguments are people's values


@dataclass(frozen=True, slots=True)
class Done:
    """Accepted. *advisory* is a warning that doesn't mean a failure, such as clock skew."""

    advisory: str = ""


def read_done(element: Mapping[str, Json]) -> Done:
    match element.get("warning"):
        case {"message": str(message)}:
            return Done(message)
        case _:
            return Done()


def call(
    name: str,
    read: Callable[[Mapping[str, Json]], T],
    arguments: Mapping[str, Any],
    *,
    key_class: KeyClass | None = None,
    fallback: KeyClass | None = None,
    answers_when_skipped: bool = False,
) -> Call[T]:
    """Return the call of action *name* with those *arguments* that aren't None; they are checked when it is made."""
    action = Action(name, {key: value for key, value in arguments.items() if value is not None})
    check(action)
    return Call(action, read, key_class or ACTIONS[name].key_class, fallback, answers_when_skipped)


def done(name: str, arguments: Mapping[str, Any], **options: Any) -> Call[Done]:
    return call(name, read_done, arguments, **options)


def action(
    name: str, arguments: Mapping[str, Json], *, key_class: KeyClass | None = None
) -> Call[Mapping[str, Json]]:
    """
    Return the call of any action of the catalogue by the API's own names; its response is the whole element.

    Raises:
        InvalidCallError: the catalogue has no such action or argument, or one that the API needs is missing.
    """
    return call(name, dict, arguments, key_class=key_class, answers_when_skipped=True)


def who(user_id: str | None, device_id: str | None, *, create: bool | None = None) -> dict[str, Json]:
    """
    Return the arguments that name a user, a device, or a user on a device. *create* allows a missing user
    to be created. It is always sent, because by default some actions would create a profile for a mistyped
    id.
    """
    disposition = {True: CreateDisposition.IF_NEEDED.value, False: CreateDisposition.NEVER.value, None: None}
    return {"userId": user_id, "deviceId": device_id, "createDisposition": disposition[create]}


def check(action: Action) -> None:
    """
    Raises:
        InvalidCallError: the catalogue has no such action or argument, or one that the API needs is missing.
    """
    spec = ACTIONS.get(action.name)
    if spec is None:
        raise InvalidCallError(f"There is no action {action.name}: see the list in docs/client.md.")
    known = {**COMMON, **spec.arguments}
    for name, value in action.arguments.items():
        if name not in known:
            raise InvalidCallError(f"{action.name} doesn't take {name}. It takes {', '.join(sorted(known))}.")
        if not _fits(value, known[name]):
            raise InvalidCallError(f"{action.name}: {name} must be {_A[known[name]]}.")
    missing = spec.required.keys() - action.arguments.keys()
    if spec.target is Target.DEVICE and not action.arguments.get("deviceId"):
        missing = missing | {"deviceId"}
    if missing:
        raise InvalidCallError(f"{action.name} needs {', '.join(sorted(missing))}.")
    if spec.target is Target.USER and not any(map(action.arguments.get, ("userId", "deviceId"))):
        raise InvalidCallError(f"{action.name} needs a userId, a deviceId, or both.")


def _fits(value: Json, argument: ArgumentType) -> bool:
    match argument:
        case ArgumentType.TEXT:
            return isinstance(value, str)
        case ArgumentType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case ArgumentType.NUMBER:
            return isinstance(value, int | float)
        case ArgumentType.BOOLEAN:
            return isinstance(value, bool)
        case ArgumentType.OBJECT:
            return isinstance(value, Mapping)
        case ArgumentType.LIST:
            return isinstance(value, list | tuple)
        case ArgumentType.TEXT_OR_LIST:
            return isinstance(value, str | list | tuple)
        case ArgumentType.BINARY:
            return isinstance(value, bytes)
