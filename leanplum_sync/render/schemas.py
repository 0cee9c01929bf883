"""JSON Schema of the documents and events, derived from their classes."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from leanplum_sync.address import Subject
from leanplum_sync.render.documents import DOCUMENTS, key_of
from leanplum_sync.render.events import EVENTS

Schema: TypeAlias = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: Final[Mapping[object, Schema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
    type(None): {"type": "null"},
    Subject: {"type": "string"},
    Any: {"description": 'Any JSON; {"sensitive": fingerprint} instead of a masked value.'},
}
_EVENT: Final = "event"  # a line of `-o ndjson`, or of a run's log
_BY_NAME: Final = {document.NAME: document for document in DOCUMENTS}
NAMES: Final = (*_BY_NAME, _EVENT)


def document_schema(name: str) -> Schema:
    """Return the schema of the document *name*, or of a line of a log for ``event``."""
    if name == _EVENT:
        title = "a line of -o ndjson, or of a run's log"
        return {"$schema": _DIALECT, "title": title, "anyOf": [_record(event) for event in EVENTS]}
    document = _BY_NAME[name]
    head: dict[str, Schema] = {
        "format": {"const": f"leanplum-sync/{name}"},
        "version": {"const": document.VERSION},
    }
    body = _record(document)
    return {
        "$schema": _DIALECT,
        "title": name,
        **body,
        "properties": {**head, **body["properties"]},
        "required": [*head, *body["required"]],
    }


def _record(model: type) -> Schema:
    hints = get_type_hints(model, include_extras=True)
    found = fields(model)
    return {
        "type": "object",
        "properties": {key_of(field.name): _schema(hints[field.name]) for field in found},
        "required": [key_of(field.name) for field in found if not field.metadata.get("optional")],
    }


def _schema(kind: Any) -> Schema:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        inner, remark = arguments
        return remark if isinstance(remark, dict) else {"description": remark, **_schema(inner)}
    if kind in _SCALARS:
        return dict(_SCALARS[kind])
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return {"enum": [word.value for word in kind]}
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is Mapping:
        names, values = arguments
        keys = {} if names is str else {"propertyNames": _schema(names)}
        return {"type": "object", **keys, "additionalProperties": _schema(values)}
    if origin in (Union, types.UnionType):
        return _any_of([_schema(each) for each in arguments])
    raise TypeError(f"{kind} has no schema")


def _any_of(schemas: list[Schema]) -> Schema:
    if all(schema.keys() <= {"enum", "const"} for schema in schemas):
        return {"enum": [word for schema in schemas for word in schema.get("enum", [schema.get("const")])]}
    return {"anyOf": schemas}
