"""A/B tests and their variants. They are created in the dashboard, and can only be read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leanplum_sync.client.api.call import Call, call
from leanplum_sync.client.api.fields import each, flag, integer, mapping, number, text
from leanplum_sync.wire.action import Json


@dataclass(frozen=True, slots=True)
class Variant:
    """*variables* maps names to values, which are text in this response."""

    id: int | None
    name: str
    percent: float | None
    variables: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class AbTest:
    """*fields* is the whole element, including dates and authors."""

    id: int | None
    name: str
    active: bool
    state: str
    variants: tuple[Variant, ...]
    fields: Mapping[str, Json]


def get_ab_test(test_id: int) -> Call[AbTest]:
    return call("getAbTest", lambda element: _read_test(mapping(element, "abTest")), {"id": test_id})


def get_ab_tests(*, include_drafts: bool = False, recent: bool = True) -> Call[tuple[AbTest, ...]]:
    return call(
        "getAbTests",
        lambda element: each(element, "abTests", _read_test),
        {"includeDrafts": include_drafts, "recent": recent},
    )


def get_variant(variant_id: int) -> Call[Variant]:
    return call("getVariant", lambda element: _read_variant(mapping(element, "variant")), {"id": variant_id})


def _read_test(fields: Mapping[str, Json]) -> AbTest:
    return AbTest(
        id=integer(fields, "id"),
        name=text(fields, "name"),
        active=flag(fields, "active"),
        state=text(fields, "state"),
        variants=each(fields, "variants", _read_variant),
        fields=fields,
    )


def _read_variant(fields: Mapping[str, Json]) -> Variant:
    return Variant(
        id=integer(fields, "id"),
        name=text(fields, "name"),
        percent=number(fields, "percent"),
        variables=dict(
            each(fields, "variables", lambda each_one: (text(each_one, "name"), each_one.get("value")))
        ),
    )
