"""The arguments of one action, read as tolerantly as the API does: numbers as text, JSON inside text, bare words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from leanplum_sync.emulator.errors import invalid, missing
from leanplum_sync.emulator.values import whole


class Arguments:
    """
    The arguments of one action. Null means absent.

    ``action``, ``user_id`` and ``device_id`` are read once, because they are used many times.
    """

    __slots__ = ("_lenient", "action", "device_id", "given", "user_id")

    def __init__(self, given: Mapping[str, Any], *, lenient: bool = True) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}
        self._lenient = lenient
        self.action = self.plain("action") or ""
        self.user_id = self.plain("userId")
        self.device_id = self.plain("deviceId")

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def has_any(self, names: Iterable[str]) -> bool:
        return not self.given.keys().isdisjoint(names)

    def text(self, name: str) -> str | None:
        """Return the argument as text, None if it is absent or empty; 123 is "123"."""
        match self.given.get(name):
            case None | "":
                return None
            case str() as value:
                return value
            case bool() as value:
                return "true" if value else "false"
            case float() as value if value.is_integer():
                return str(int(value))
            case int() | float() as value:
                return str(value)
            case _:
                raise invalid(name)

    def plain(self, name: str) -> str | None:
        """Return the argument as text, or None where it isn't any."""
        value = self.given.get(name)
        if value is None or isinstance(value, str):  # nearly always: asked several times for each action
            return value or None
        return None if isinstance(value, (dict, list)) else self.text(name)

    def required_text(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def number(self, name: str) -> float | None:
        value = self.given.get(name)
        return None if value is None or value == "" else number(value, name)

    def integer(self, name: str) -> int | None:
        value = self.number(name)
        return None if value is None else whole(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        match self.given.get(name):
            case None | "":
                return default
            case str() as value:
                return value.strip().lower() in {"true", "1", "yes"}
            case value:
                return bool(value)

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object, given as one or as text that holds one; {} if absent."""
        if name not in self.given:
            return {}
        value = self._unpacked(name)
        if value is None or value == []:  # PHP writes an empty object as []
            return {}
        if not isinstance(value, dict):
            raise invalid(name)
        return value

    def sequence(self, name: str) -> list[Any]:
        """Return a list, given as one, as text that holds one, or as a single item; [] if absent."""
        if name not in self.given:
            return []
        value = self._unpacked(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def _unpacked(self, name: str) -> Any:
        value = self.given.get(name)
        if not isinstance(value, str):
            return value
        return unpacked(value, lenient=self._lenient) if value.strip() else None


def number(value: Any, name: str) -> float:
    match value:
        case bool():
            raise invalid(name)
        case int():
            return value
        case float() if math.isfinite(value):
            return value
        case str():
            return _number_in(value, name)
        case _:
            raise invalid(name)


def _number_in(text: str, name: str) -> float:
    try:
        value = int(text) if re.fullmatch(r"\s*[-+]?\d{1,400}\s*", text) else float(text)
    except ValueError:
        raise invalid(name) from None
    if not math.isfinite(value):
        raise invalid(name)
    return value


def unpacked(text: str, *, lenient: bool) -> Any:
    """Return what *text* holds: JSON, else (if *lenient*) a bare-word list or object, else the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _bare(text) if lenient else text


def _bare(text: str) -> Any:
    if text.strip()[:1] not in ("[", "{"):
        return text
    try:
        value, rest = _bare_value(text)
    except (IndexError, ValueError, RecursionError):
        return text
    return text if rest.strip() else value


def _bare_value(text: str) -> tuple[Any, str]:
    """Return the first value of *text* and what follows it; the syntax is YAML's flow style, roughly."""
    text = text.lstrip()
    match text[0]:
        case "[":
            return _bare_list(text[1:])
        case "{":
            return _bare_object(text[1:])
        case "'" | '"' as quote:
            end = text.index(quote, 1)
            return text[1:end], text[end + 1 :]
        case _:
            word = re.match(r"[^,\[\]{}:]*", text)
            assert word is not None  # noqa: S101 (the pattern matches the empty text)
            return _bare_word(word[0].strip()), text[word.end() :]


def _bare_list(text: str) -> tuple[list[Any], str]:
    items: list[Any] = []
    while not text.lstrip().startswith("]"):
        item, text = _bare_value(text)
        items.append(item)
        text = _after_comma(text, "]")
    return items, text.lstrip()[1:]


def _bare_object(text: str) -> tuple[dict[str, Any], str]:
    items: dict[str, Any] = {}
    while not text.lstrip().startswith("}"):
        key, text = _bare_value(text)
        text = text.lstrip()
        if not text.startswith(":"):
            raise ValueError
        items[str(key)], text = _bare_value(text[1:])
        text = _after_comma(text, "}")
    return items, text.lstrip()[1:]


def _after_comma(text: str, closing: str) -> str:
    text = text.lstrip()
    if text.startswith(","):
        return text[1:]
    if text.startswith(closing):
        return text
    raise ValueError


def _bare_word(word: str) -> Any:
    if not word:
        raise ValueError
    try:
        return orjson.loads(word)
    except orjson.JSONDecodeError:
        return word
