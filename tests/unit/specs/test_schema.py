from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter

from leanplum_sync.errors import SpecError
from leanplum_sync.kinds.rows import forms
from leanplum_sync.project import model as project
from leanplum_sync.specs import explain, json_schema
from leanplum_sync.specs.check import MODELS


def models() -> Iterator[type[BaseModel]]:
    """Yield every model a document is made of."""
    pending: list[type[BaseModel]] = [*MODELS.values(), *forms.FORMS.values(), *project.FORMS.values()]
    met: set[type[BaseModel]] = set()
    while pending:
        model = pending.pop()
        if model not in met:
            met.add(model)
            yield model
            pending += [
                field.annotation for field in model.model_fields.values() if _is_model(field.annotation)
            ]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("kind", [None, *MODELS])
def test_every_field_has_a_description_and_an_example(kind: str | None) -> None:
    found = [
        (name, field) for each in objects(json_schema(kind)) for name, field in each["properties"].items()
    ]
    assert len(found) > 10
    assert [name for name, field in found if not field.get("description") or not field.get("examples")] == []


def test_every_example_is_valid() -> None:
    checked = 0
    for model in models():
        for field in model.model_fields.values():
            annotated = TypeAdapter(Annotated[field.annotation, "", *field.metadata])
            for example in field.examples or ():
                annotated.validate_python(example)
                checked += 1
    assert checked > 60


def test_no_key_beyond_the_named_ones_is_allowed() -> None:
    assert all(each.get("additionalProperties") is False for each in objects(json_schema()))


def test_the_schema_of_all_kinds_has_each() -> None:
    kinds = [each["properties"]["kind"]["const"] for each in json_schema()["oneOf"]]
    assert kinds == list(MODELS)


def test_an_unknown_kind_gets_a_suggestion() -> None:
    with pytest.raises(SpecError) as caught:
        json_schema("PushToken")
    assert caught.value.problems[0].hint == "Did you mean PushTokens?"


def _patterns(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            yield from (value for key, value in schema.items() if key == "pattern" and isinstance(value, str))
            for each in schema.values():
                yield from _patterns(each)
        case list():
            for each in schema:
                yield from _patterns(each)
        case _:
            pass


def test_each_pattern_of_a_text_has_a_sentence_about_what_to_write() -> None:
    patterns = {
        pattern for model in models() for pattern in _patterns(model.model_json_schema(by_alias=True))
    }
    assert patterns
    assert patterns <= explain._PATTERNS.keys()
