"""Turns pydantic's errors into sentences: which key, what is wrong with it, and what to write instead."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from leanplum_sync.kinds.rows import forms
from leanplum_sync.kinds.rows.site import Path
from leanplum_sync.project import model as project
from leanplum_sync.project.model import holds_key
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.profile import TOKEN_FIELDS

_FORMS: Final[Mapping[str, type[BaseModel]]] = {**forms.FORMS, **project.FORMS}
_LONGEST_SHOWN: Final = 40
_SHORTEST_START: Final = 3  # letters of a name that tell which is meant


@dataclass(frozen=True, slots=True)
class Explained:
    """*at_key*: the problem is with the key, not with its value."""

    path: Path
    at_key: bool
    message: str
    hint: str


def explain(
    error: ErrorDetails, model: type[BaseModel], sensitive: Collection[str] | None = frozenset()
) -> Explained:
    """
    Explain *error*, which validating a document as *model* gave.

    Values of attributes in *sensitive*, and possible push tokens, are not quoted. None: no value is quoted.
    """
    path = path_of(error)
    at_key = error["loc"][-1:] == ("[key]",) or error["type"] == "extra_forbidden"
    hidden = sensitive is None or any(part in sensitive for part in path) or _is_of_token(error, path)
    message, hint = _sentence(error, path, model, hidden=hidden)
    return Explained(path[:-1] if error["type"] == "missing" else path, at_key, message, hint)


def _is_of_token(error: ErrorDetails, path: Path) -> bool:
    """Return whether the value may be a push token. The name of an unknown platform is not."""
    if path[:2] == ("spec", "token"):
        return error["type"] != "extra_forbidden" or len(path) > len(("spec", "token", "ios"))
    return any(part in TOKEN_FIELDS for part in path)


def path_of(error: ErrorDetails) -> Path:
    """Return where *error* is in the document: its location without the marks of forms and keys."""
    return tuple(part for part in error["loc"] if not _is_tag(part) and part != "[key]")


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith(forms.TAG_MARK)


def _sentence(error: ErrorDetails, path: Path, model: type[BaseModel], *, hidden: bool) -> tuple[str, str]:
    context = error.get("ctx", {})
    key = str(path[-1]) if path else ""
    say = kind_of if hidden else shown
    if hidden and path[-2:-1] == ("map",):
        key = "this"
    match error["type"]:
        case "leanplum_sync":
            return str(context["message"]), str(context["hint"])
        case "missing":
            return f"`{key}` is missing", _description(_model_at(model, error["loc"][:-1]), key)
        case "extra_forbidden":
            return _unknown_key(key, _model_at(model, error["loc"][:-1]), error["loc"], hidden=hidden)
        case "literal_error":
            return _not_one_of(key, error["input"], str(context["expected"]), say)
        case "string_pattern_mismatch":
            return f"`{key}` contains invalid characters", _PATTERNS[str(context["pattern"])]
        case kind if kind in _TYPES:
            expected, advice = _TYPES[kind]
            hint = _advice(kind, error["input"]) or advice
            return f"`{key}` is {say(error['input'])}, but must be {expected}", hint
        case kind:
            message, hint = _BOUNDS.get(kind, ("is invalid", ""))
            return f"`{key}` {message}", hint.format(**context)


_PATTERNS: Final = {
    r"^[a-z0-9]+(-[a-z0-9]+)*$": "Write lower-case letters, digits, and hyphens, such as loyalty-tiers.",
    r"^[A-Za-z0-9._-]+$": "Write letters, digits, dots, hyphens, and underscores, such as 2026-11-order-delay.",
    r"^[A-Za-z0-9._-]+(/.+)?$": "Write a delivery's name, such as 2026-11-order-delay, or once/attribute, such as launch/visits.",
}
_BOUNDS: Final = {
    "string_too_short": ("is empty", "Write some text."),
    "string_too_long": ("is too long", "It may have at most {max_length} characters."),
    "too_short": ("is empty", "Remove the line, or give it a value."),
    "greater_than_equal": ("is too small", "Write {ge} or more."),
    "greater_than": ("is too small", "Write more than {gt}."),
    "less_than_equal": ("is too large", "Write {le} or less."),
}
_TYPES: Final = {
    "string_type": ("text", "Put it in quotes."),
    "bool_type": ("true or false", "Write true or false, without quotes."),
    "int_type": ("a whole number", "Write digits, without quotes."),
    "int_from_float": ("a whole number", "Write digits, without quotes."),
    "float_type": ("a number", "Write digits, without quotes."),
    "float_parsing": ("a number", "Write digits, without quotes."),
    "list_type": ("a list", "Write it in brackets, or with one item per line, each after a hyphen."),
    "dict_type": ("a mapping", "Write keys below it, indented."),
    "model_type": ("a mapping", "Write keys below it, indented."),
    "model_attributes_type": ("a mapping", "Write keys below it, indented."),
}


def _advice(kind: str, value: Json) -> str:
    if value is None:
        return "Write it after the colon, or leave the line out."
    if isinstance(value, dict | list) and not kind.startswith(("list", "dict", "model")):
        return "Write a single value after the colon."
    if (
        kind == "bool_type"
        and isinstance(value, str)
        and value.lower() in ("yes", "no", "on", "off", "true", "false")
    ):
        return f"Write {'true' if value.lower() in ('yes', 'on', 'true') else 'false'}, without quotes."
    return ""


def shown(value: Json) -> str:
    """Return words for *value*, a part of a spec. Long texts and possible API keys are not shown."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float() if len(str(value)) <= _LONGEST_SHOWN:
            return f"the number {value}"
        case str() if value.isprintable() and len(value) <= _LONGEST_SHOWN and not holds_key(value):
            return f'"{value}"'
        case _:
            return kind_of(value)


def kind_of(value: Json) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return "something else"


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a question with the one of *known* that is closest to *word*; empty if none is close."""
    by_lower = {name.lower(): name for name in known}
    started = [
        name for name in known if len(word) >= _SHORTEST_START and name.lower().startswith(word.lower())
    ]
    close = by_lower.get(word.lower()) or next(
        iter([*difflib.get_close_matches(word, known, 1), *started]), None
    )
    return f"Did you mean {close}?" if close else ""


def _unknown_key(
    key: str, model: type[BaseModel] | None, loc: tuple[str | int, ...], *, hidden: bool
) -> tuple[str, str]:
    """Return the message and the hint; the hint names what is known, also where the key itself is not told."""
    known = _keys(model)
    if key in forms.FORM_KEYS and len(loc) > 1 and _is_tag(loc[-2]):
        form = str(loc[-2]).removeprefix(forms.TAG_MARK).replace("list", "add")
        others = ", ".join(name for name in known if name != form)
        hint = (
            f"`{form}` can be combined with {others}."
            if others
            else f"`{form}` can't be combined with other keys."
        )
        return f"`{key}` doesn't go with `{form}`", hint
    hint = did_you_mean(key, known) or (f"The keys here are {', '.join(known)}." if known else "")
    if hidden or holds_key(key):
        return "this is not a valid key", hint
    return f"unknown key `{key}`", hint


def _not_one_of(key: str, value: Json, expected: str, say: Callable[[Json], str]) -> tuple[str, str]:
    options = [option.strip("' ") for option in expected.replace(" or ", ", ").split(",")]
    hint = did_you_mean(value, options) if isinstance(value, str) else ""
    match options:
        case [*others, before, last] if others:
            listed = f"{', '.join([*others, before])}, or {last}"
        case _:
            listed = " or ".join(options)
    return f"`{key}` is {say(value)}, but must be {listed}", hint or (
        f"Write {options[0]}." if len(options) == 1 else ""
    )


def _description(model: type[BaseModel] | None, key: str) -> str:
    field = next((field for name, field in _fields(model) if name == key), None)
    if field is None or field.description is None:
        return ""
    example = field.examples[0] if field.examples else None
    if isinstance(example, str):
        return f"Write it, such as `{key}: {example}`."
    return f"{field.description.split('. ')[0].rstrip('.')}."


def _fields(model: type[BaseModel] | None) -> Iterator[tuple[str, Any]]:
    for name, field in model.model_fields.items() if model else ():
        yield field.alias or name, field


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [name for name, _ in _fields(model)]


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Return the model at *loc*, in which tags name the form of a value."""
    here: Any = model
    for part in loc:
        if isinstance(part, str) and part in _FORMS:
            here = _FORMS[part]
        elif isinstance(here, type) and issubclass(here, BaseModel):
            here = next((field.annotation for name, field in _fields(here) if name == part), None)
        else:
            here = None
        here = _unwrapped(here)
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None


def _unwrapped(annotation: Any) -> Any:
    """
    Return the model inside of ``Annotated``, ``| None``, ``list[...]``; the annotation itself where there
    is none.
    """
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        models = [option for option in map(_unwrapped, get_args(annotation)) if isinstance(option, type)]
        return next((option for option in models if issubclass(option, BaseModel)), annotation)
    return annotation
