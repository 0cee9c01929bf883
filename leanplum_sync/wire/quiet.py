"""
Withholds messages of the API that quote a sensitive value of the action they are about.

The API may use other quotes, escapes or capitals, so only letters and digits are compared. If a value is
found, the whole message is withheld; nothing is cut out of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.envelope import Answered, BatchAnswer, Refused, Unreadable
from leanplum_sync.wire.profile import TOKEN_FIELDS
from leanplum_sync.wire.thing import written_by

WITHHELD: Final = "The API's message is not shown, because it quotes a sensitive value."
_SIGN: Final = re.compile(r"[\W_]+")
_SHORT: Final = 4  # letters and digits; anything shorter occurs inside other words


def quiet(answer: BatchAnswer, actions: Sequence[Action], sensitive: Collection[str]) -> BatchAnswer:
    """Return *answer* with each message withheld that quotes a value of a *sensitive* attribute, or a push token."""
    if isinstance(answer, Answered) and not any(found.message for found in answer.outcomes):
        return answer
    return without(answer, _values(actions, sensitive))


def without(answer: BatchAnswer, values: Collection[str]) -> BatchAnswer:
    """Return *answer* with each message withheld that quotes one of *values*."""
    match answer:
        case Answered(outcomes=outcomes):
            told = [replace(found, message=_told(found.message, values)) for found in outcomes]
            return replace(answer, outcomes=tuple(told))
        case Refused(message=message):
            return replace(answer, message=_told(message, values))
        case Unreadable(reason=reason):
            return replace(answer, reason=_told(reason, values))


def _told(message: str, values: Collection[str]) -> str:
    whole, folded = _plain(message), message.casefold()
    return WITHHELD if any(_is_in(value, whole, folded) for value in values) else message


def _is_in(value: str, whole: str, folded: str) -> bool:
    plain = _plain(value)
    if len(plain) >= _SHORT:
        return plain in whole
    return re.search(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", folded) is not None


def _values(actions: Iterable[Action], sensitive: Collection[str]) -> frozenset[str]:
    names = {*sensitive, *TOKEN_FIELDS}
    leaves = [leaf for action in actions for leaf in _sensitive(action.arguments, names)]
    for action in actions:  # a variable's name is a path
        if (written := written_by(action.name, action.arguments)) and written[0].id in names:
            leaves += _leaves(written[1])
    return frozenset(filter(None, map(_text, leaves)))


def _sensitive(value: Json, names: AbstractSet[str]) -> Iterator[Json]:
    match value:
        case dict():
            for name, item in value.items():
                # A rename writes a value under one name and clears the other: if one is sensitive, so is the other.
                is_named = name in names or (isinstance(item, dict) and not names.isdisjoint(item))
                yield from _leaves(item) if is_named else _sensitive(item, names)
        case list() | tuple():
            for item in value:
                yield from _sensitive(item, names)
        case _:
            pass


def _leaves(value: Json) -> Iterator[Json]:
    match value:
        case dict():
            for item in value.values():
                yield from _leaves(item)
        case list() | tuple():
            for item in value:
                yield from _leaves(item)
        case None:
            pass
        case _:
            yield value


def _text(leaf: Json) -> str:
    return str(int(leaf)) if isinstance(leaf, float) and leaf.is_integer() else str(leaf)


def _plain(text: str) -> str:
    return _SIGN.sub("", text).casefold()
