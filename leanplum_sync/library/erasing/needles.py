"""
What is known about erased users, to be searched for. It is kept in memory for one run, and never written down.

An id, of a user or a device, or a push token, says whose data it is. A value, such as an e-mail address, may also be others'.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from leanplum_sync.address import Subject
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.profile import TOKEN_FIELDS

_SHORTEST_ID: Final = 4  # characters: shorter ones are only found where something says that they are ids
_SHORTEST_VALUE: Final = 6  # characters: shorter ones are in every file
_PERSONAL_FIELDS: Final = ("location", "city")
_PREFIX: Final = 6  # bytes for which alternatives share a way through the expression
_NOT_WITHIN: Final = rb"(?<![0-9A-Za-z_])(?:%b)(?![0-9A-Za-z_])"
_AS_ID: Final = (
    rb"(?:(?<=user:)|(?<=device:)|(?<=\")|(?<=\x00)|(?<=[\r\n,;\t])|\A)(?:%b)(?=[\"\x00\r\n,;\t]|\Z)"
)


@dataclass(frozen=True, slots=True)
class Needles:
    """*ids* and *values* to search for, and how many values were *too_common* to be searched for: short ones, and single words."""

    ids: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    too_common: int = 0

    def __add__(self, other: Needles) -> Needles:
        return Needles(self.ids | other.ids, self.values | other.values, self.too_common + other.too_common)


@dataclass(frozen=True, slots=True)
class Hit:
    ids: bool = False
    values: bool = False

    def __bool__(self) -> bool:
        return self.ids or self.values

    def __or__(self, other: Hit) -> Hit:
        return Hit(self.ids or other.ids, self.values or other.values)


NOTHING: Final = Hit()


def needles_of(subject: Subject, element: Mapping[str, Json] | None = None) -> Needles:
    """Return what to search for about *subject*; *element* is the exportUser response, if it was read before the erasure."""
    ids, texts = {subject.id}, set[str]()
    for device in (element or {}).get("devices") or ():
        if isinstance(device, dict):
            named = (device.get(name) for name in ("deviceId", *TOKEN_FIELDS))
            ids |= {str(value) for value in named if value}
    for name in _PERSONAL_FIELDS:
        texts |= set(_leaves((element or {}).get(name)))
    texts |= set(_leaves((element or {}).get("userAttributes")))
    texts -= ids
    telling = {text for text in texts if len(text) >= _SHORTEST_VALUE and not text.isalpha()}
    return Needles(frozenset(ids), frozenset(telling), len(texts) - len(telling))


def _leaves(value: Json) -> Iterator[str]:
    match value:
        case None | bool() | "":
            return
        case dict():
            for each in value.values():
                yield from _leaves(each)
        case list() | tuple():
            for each in value:
                yield from _leaves(each)
        case _:
            text = str(value)
            if text not in ("True", "False"):
                yield text


class Matcher:
    """Finds *needles* in bytes, in each of the ways in which texts are written in files: plain, in JSON, in CSV, and in URLs."""

    def __init__(self, needles: Needles) -> None:
        short = {text for text in needles.ids if len(text) < _SHORTEST_ID}
        self._ids = [
            *_expressions(_NOT_WITHIN, needles.ids - short),
            *_expressions(_AS_ID, short),
        ]
        self._values = _expressions(_NOT_WITHIN, needles.values)
        forms = [form for text in needles.ids | needles.values for form in _forms(text)]
        self.longest = max(map(len, forms), default=0) + 8

    def find(self, content: bytes) -> Hit:
        return Hit(_is_in(content, self._ids), _is_in(content, self._values))

    def find_in(self, chunks: Iterable[bytes]) -> Hit:
        """Return what is in *chunks*, which are parts of one text."""
        found, tail = NOTHING, b""
        for chunk in chunks:
            content = tail + chunk
            found |= self.find(content)
            if found.ids and (found.values or not self._values):
                return found
            tail = content[-self.longest :]
        return found


def _is_in(content: bytes, expressions: Iterable[re.Pattern[bytes]]) -> bool:
    return any(each.search(content) for each in expressions)


def _expressions(pattern: bytes, texts: Collection[str]) -> list[re.Pattern[bytes]]:
    forms = {form for text in texts for form in _forms(text)}
    return [re.compile(pattern.replace(b"%b", _alternatives(forms, 0)))] if forms else []


def _forms(text: str) -> set[bytes]:
    plain = text.encode(errors="surrogatepass")
    return {
        plain,
        json.dumps(text)[1:-1].encode(),
        json.dumps(text, ensure_ascii=False)[1:-1].encode(errors="surrogatepass"),
        plain.replace(b'"', b'""'),
        quote(plain).encode(),
        quote(plain, safe="").encode(),
    }


def _alternatives(forms: Collection[bytes], depth: int) -> bytes:
    """Return an expression for any of *forms*. Common beginnings come once, so that many forms take little time."""
    if depth == _PREFIX or len(forms) == 1:
        return b"|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    by_first: dict[bytes, set[bytes]] = defaultdict(set)
    for form in forms:
        by_first[form[:1]].add(form[1:])
    ends = [b""] if by_first.pop(b"", None) else []
    branches = [
        re.escape(first) + b"(?:" + _alternatives(rest, depth + 1) + b")" for first, rest in by_first.items()
    ]
    return b"|".join([*branches, *ends])


@dataclass(slots=True)
class KnownUsers:
    """Collects, from several threads, what is known about users just before they are erased."""

    _found: dict[Subject, Needles] = field(default_factory=dict)

    def add(self, subject: Subject, element: Mapping[str, Json] | None = None) -> None:
        self._found[subject] = self._found.get(subject, Needles()) + needles_of(subject, element)

    def of(self, subjects: Iterable[Subject]) -> Needles:
        found = Needles()
        for subject in subjects:
            found += self._found.get(subject) or needles_of(subject)
        return found
