"""An A/B test of the dashboard as getAbTests lists it, read leniently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from leanplum_sync.errors import UnexpectedResponseError
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.exact import exact_form
from leanplum_sync.wire.variable import joined, parts_of


@dataclass(frozen=True, slots=True)
class ValueInTest:
    """*value* is what *variant* gives to a variable. The API returns it as text."""

    variant: str
    value: Json

    def is_the_same_as(self, value: Json) -> bool:
        """Whether the variant gives *value*. Text stands for itself, and for the JSON that it spells."""
        as_text = value if isinstance(value, str) else exact_form(value)
        of_variant = self.value if isinstance(self.value, str) else exact_form(self.value)
        return bool(as_text == of_variant)


@dataclass(frozen=True, slots=True)
class AbTest:
    """*variables* has what its variants give to variables, by their names. *is_running*: some users get these values now."""

    id: int
    name: str
    is_running: bool
    variables: Mapping[str, tuple[ValueInTest, ...]]


def read_ab_tests(element: Mapping[str, Json]) -> tuple[AbTest, ...]:
    """
    Raises:
        UnexpectedResponseError: the getAbTests *element* lists no tests, or something else among them.
    """
    listed = element.get("abTests")
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UnexpectedResponseError('The response to getAbTests has no list named "abTests".')
    return tuple(map(_test, listed))


def _test(fields: Mapping[str, Json]) -> AbTest:
    found: dict[str, tuple[ValueInTest, ...]] = {}
    for name, value in _values(fields.get("variants")):
        found[name] = (*found.get(name, ()), value)
    state = fields.get("state")
    identifier = fields.get("id")
    return AbTest(
        id=identifier if isinstance(identifier, int) else 0,
        name=str(fields.get("name", "")),
        # `active` is the older field. A test of which nothing is known counts as running.
        is_running=fields.get("active") is not False or state == "active",
        variables=found,
    )


def _values(variants: Json) -> Iterator[tuple[str, ValueInTest]]:
    for variant in variants if isinstance(variants, list) else ():
        if not isinstance(variant, dict):
            continue
        variables = variant.get("variables")
        for each in variables if isinstance(variables, list) else ():
            if isinstance(each, dict) and isinstance(name := each.get("name"), str):
                yield joined(parts_of(name)), ValueInTest(str(variant.get("name", "")), each.get("value"))
