"""
What differs between kinds of things of the app: how each is written, and which of its fields can be changed.

The value of a variable may be anything. That of any other thing is a mapping of its fields, of which a spec may name some: only these
are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.wire import channel, postback, variable
from leanplum_sync.wire.action import Action, Json
from leanplum_sync.wire.exact import same_exactly

_EMPTY: Final[tuple[Json, ...]] = (False, "", [])


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingRules:
    """
    *put* creates a thing, or updates the one that was observed, which is its last argument. *delete* deletes it.

    *compared* are the fields that the API shows; *updatable* can change without deleting the thing. *moving* are fields
    that change by themselves when another thing changes, and so don't count when one is deleted.
    """

    put: Callable[[str, Mapping[str, Json], Mapping[str, Json] | None], Action]
    delete: Callable[[str, Mapping[str, Json]], Action]
    compared: frozenset[str]
    updatable: frozenset[str]
    moving: frozenset[str]

    def differing(self, value: Mapping[str, Json], observed: Mapping[str, Json]) -> frozenset[str]:
        """Return the fields of *value* that are not as *observed*. A field that is not shown is taken for empty, or false."""
        return frozenset(
            name
            for name in self.compared & value.keys()
            if not same_exactly(value[name], observed.get(name))
            and not (name not in observed and value[name] in _EMPTY)
        )

    def is_same(self, one: Json, other: Json) -> bool:
        """Whether two observed values are of the same thing, unchanged."""
        return same_exactly(self._settled(one), self._settled(other))

    def _settled(self, value: Json) -> Json:
        return (
            {name: value[name] for name in value.keys() - self.moving} if isinstance(value, dict) else value
        )


_RULES: Final = {
    SubjectKind.POSTBACK: ThingRules(
        put=lambda name, value, _: postback.add_postback(name, value),
        delete=postback.delete_postback,
        compared=frozenset(),  # of one that exists, the API shows nothing but what its name says
        updatable=frozenset(),
        moving=frozenset(),
    ),
    SubjectKind.CHANNEL: ThingRules(
        put=channel.put_channel,
        delete=lambda name, _: channel.delete_channel(name),
        compared=channel.FIELDS,
        updatable=channel.UPDATABLE,
        moving=frozenset({"default", channel.ONLY}),
    ),
}


def rules_of(kind: SubjectKind) -> ThingRules | None:
    """Return the rules of a kind of thing that has fields; None of a variable."""
    match kind:
        case SubjectKind.CHANNEL | SubjectKind.POSTBACK:
            return _RULES[kind]
        case SubjectKind.VARIABLE | SubjectKind.USER | SubjectKind.DEVICE:
            return None
        case _:
            assert_never(kind)


def written_by(action: str, arguments: Mapping[str, Json]) -> tuple[Subject, Json] | None:
    """Return the thing of the app that an action of ours sets, with its value, or deletes, with None. None: it is no such action."""
    if found := variable.written_by(action, arguments):
        return Subject(SubjectKind.VARIABLE, found[0]), found[1]
    if found := channel.written_by(action, arguments):
        return Subject(SubjectKind.CHANNEL, found[0]), found[1]
    if found := postback.written_by(action, arguments):
        return Subject(SubjectKind.POSTBACK, found[0]), found[1]
    return None
