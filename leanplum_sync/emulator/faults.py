"""
Faults on request: what goes wrong, for which calls, and how often. With the same seed, the same calls meet the same faults.

As text: ``cut-after:action=sendMessage,times=1; latency:seconds=0.2,probability=0.5; seed=7``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from leanplum_sync.emulator.errors import EmulatorError

Kind = Literal[
    "latency",  # wait *seconds* before the work
    "status",  # answer *status* instead of working, or with when=after having worked
    "skipped",  # answer with the warning that the action was skipped, and do nothing
    "cut-before",  # cut the connection and do nothing
    "cut-after",  # do the work, then cut the connection without a response
    "cut-half",  # do the first half of the actions, then cut the connection
    "late-answer",  # do the work, then wait *seconds* before answering
    "queued",  # cut the connection now, do the work *seconds* later
    "truncated",  # answer with half the body, then cut the connection
    "short",  # leave the last *elements* elements out of the response
    "reordered",  # shuffle the elements
    "skew",  # let the server's clock be *seconds* ahead for this call
    "html",  # do the work, answer 200 with something that isn't JSON
    "success-and-error",  # add an error to every element, success staying true
    "migrated",  # add a top-level migrateState
    "host-mismatch",  # send the caller to another host, as after a migration
]
KINDS: frozenset[str] = frozenset(get_args(Kind))
_LOWEST_STATUS, _HIGHEST_STATUS = 400, 599


@dataclass(frozen=True, slots=True)
class Fault:
    """
    One thing that goes wrong.

    It affects calls of the *action*, or with it in a multi, that are about the *user* (None: any). The first *after* of them are
    spared; the others are affected with the *probability*, at most *times* (None: no limit).
    """

    kind: Kind
    action: str | None = None
    user: str | None = None
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    seconds: float = 1.0
    status: int = 500
    when: Literal["before", "after"] = "before"
    elements: int = 1
    text: str | None = None  # the API's words of a ``status`` below 500, or of ``host-mismatch``


@dataclass(frozen=True, slots=True)
class Faults:
    faults: tuple[Fault, ...] = ()
    seed: int = 0


NO_FAULTS = Faults()


class Struck:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.replaced = asyncio.Event()  # set when others take their place
        self._matched = [0] * len(faults.faults)
        self._struck = [0] * len(faults.faults)
        self._chances = [random.Random(f"{faults.seed}:{index}") for index in range(len(faults.faults))]  # noqa: S311 (a rehearsal, not a secret)
        self.shuffler = random.Random(faults.seed)  # noqa: S311 (as above)

    def strike(self, actions: frozenset[str], users: frozenset[str]) -> tuple[Fault, ...]:
        return tuple(
            fault
            for index, fault in enumerate(self.faults.faults)
            if self._strikes(index, fault, actions, users)
        )

    def _strikes(self, index: int, fault: Fault, actions: frozenset[str], users: frozenset[str]) -> bool:
        if fault.action not in (None, *actions) or fault.user not in (None, *users):
            return False
        self._matched[index] += 1
        # Drawn for every match, so that the n-th match always has the same chance.
        lucky = self._chances[index].random() >= fault.probability
        used_up = fault.times is not None and self._struck[index] >= fault.times
        if lucky or used_up or self._matched[index] <= fault.after:
            return False
        self._struck[index] += 1
        return True

    def described(self) -> dict[str, Any]:
        counts = zip(self.faults.faults, self._matched, self._struck, strict=True)
        return {
            "seed": self.faults.seed,
            "faults": [
                described(fault) | {"matched": matched, "struck": struck} for fault, matched, struck in counts
            ],
        }


def described(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON that ``parse`` accepts."""
    given = {field.name: getattr(fault, field.name) for field in fields(fault) if field.name != "kind"}
    default = Fault(fault.kind)
    return {"fault": fault.kind} | {
        name: value for name, value in given.items() if value != getattr(default, name)
    }


def parse(given: Faults | str | Path | Sequence[Any]) -> Faults:
    """
    Return faults given as text, as a file (YAML, or JSON lines), or as a list of ``Fault`` or of objects.

    Text that names an existing file is that file.

    Raises:
        EmulatorError: something in it is not a fault; the text says what and, for files, where.
    """
    match given:
        case Faults():
            return given
        case Path():
            return _from_file(given)
        case str():
            return _from_file(Path(given)) if _is_file(given) else from_text(given)
        case _:
            return _gathered((str(number), item) for number, item in enumerate(given, start=1))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def from_text(text: str) -> Faults:
    items: list[tuple[str, Any]] = []
    for part in text.split(";"):
        kind, _, options = part.strip().partition(":")
        if not kind:
            continue
        if kind.startswith("seed="):
            items.append((kind, {"seed": kind.removeprefix("seed=")}))
            continue
        item: dict[str, Any] = {"fault": kind.strip()}
        for option in filter(None, (option.strip() for option in options.split(","))):
            name, equals, value = option.partition("=")
            if not equals:
                raise EmulatorError(f"Fault {part.strip()!r}: {option!r} is not NAME=VALUE.")
            item[name.strip()] = value.strip()
        items.append((f"{part.strip()!r}", item))
    return _gathered(items)


def _from_file(path: Path) -> Faults:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EmulatorError(f"The faults file {path} can't be read: {error}.") from error
    if path.suffix in (".ndjson", ".jsonl"):
        return _gathered(_json_lines(path, text))
    return _gathered(
        (f"{path}, entry {number}", item) for number, item in enumerate(_yaml(path, text), start=1)
    )


def _json_lines(path: Path, text: str) -> Iterable[tuple[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield f"{path}:{number}", orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise EmulatorError(f"{path}:{number}: not a line of JSON: {error}.") from error


def _yaml(path: Path, text: str) -> list[Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415 (only for such files)
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 (as above)

    try:
        loaded = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise EmulatorError(f"The faults file {path} is not YAML: {str(error).splitlines()[0]}.") from error
    return loaded if isinstance(loaded, list) else [loaded]


def _gathered(items: Iterable[tuple[str, Any]]) -> Faults:
    faults, seed = [], 0
    for where, item in items:
        match item:
            case None:
                continue
            case Fault():
                faults.append(item)
            case {"seed": given, **rest} if not rest:
                seed = _number(where, "seed", given, int)
            case {"fault": kind, **options}:
                faults.append(_fault(where, str(kind), {str(name): value for name, value in options.items()}))
            case _:
                raise EmulatorError(f"Fault {where}: expected an object with 'fault', or with 'seed' alone.")
    return Faults(tuple(faults), seed)


def _fault(where: str, kind: str, options: Mapping[str, Any]) -> Fault:
    if kind.isdecimal():
        kind, options = "status", {"status": kind, **options}
    if kind not in KINDS:
        raise EmulatorError(
            f"Fault {where}: no such fault {kind!r}. Known: {', '.join(sorted(KINDS))}, or a status."
        )
    fault = Fault(kind)  # type: ignore[arg-type]  # it is among the kinds, as just checked
    for name, value in options.items():
        fault = replace(fault, **{name: _option(where, name, value)})
    if not _LOWEST_STATUS <= fault.status <= _HIGHEST_STATUS:
        raise EmulatorError(f"Fault {where}: status must be {_LOWEST_STATUS} to {_HIGHEST_STATUS}.")
    if not 0 <= fault.probability <= 1:
        raise EmulatorError(f"Fault {where}: probability must be 0 to 1.")
    return fault


def _option(where: str, name: str, value: Any) -> Any:
    match name:
        case "action" | "user" | "text":
            return None if value is None else str(value)
        case "times" if value is None:
            return None
        case "after" | "times" | "status" | "elements":
            return _number(where, name, value, int)
        case "probability" | "seconds":
            return _number(where, name, value, float)
        case "when" if value in ("before", "after"):
            return value
        case "when":
            raise EmulatorError(f"Fault {where}: when must be 'before' or 'after'.")
        case _:
            known = ", ".join(field.name for field in fields(Fault) if field.name != "kind")
            raise EmulatorError(f"Fault {where}: no such option {name!r}. Known: {known}.")


def _number(where: str, name: str, value: Any, kind: type[int | float]) -> Any:
    try:
        number = kind(value)
    except (TypeError, ValueError):
        raise EmulatorError(f"Fault {where}: {name} must be a number.") from None
    if number < 0 and name != "seconds":
        raise EmulatorError(f"Fault {where}: {name} must not be negative.")
    return number
