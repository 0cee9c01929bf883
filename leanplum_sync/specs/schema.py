"""JSON Schema of the spec language, for editors."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from leanplum_sync.errors import SpecError
from leanplum_sync.problem import Place, Problem
from leanplum_sync.specs.check import MODELS
from leanplum_sync.specs.explain import did_you_mean

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(kind: str | None = None) -> dict[str, Any]:
    """
    Return the schema of documents of *kind*, or of every document there is.

    Raises:
        SpecError: there is no such kind.
    """
    if kind is not None and kind not in MODELS:
        hint = did_you_mean(kind, list(MODELS)) or f"There are {', '.join(MODELS)}."
        raise SpecError([Problem(Place(kind), "unknown kind of document", hint)])
    chosen = [MODELS[kind]] if kind else list(MODELS.values())
    definitions: dict[str, Any] = {}
    schemas = []
    for model in chosen:
        schema = TypeAdapter(model).json_schema(by_alias=True)
        definitions |= schema.pop("$defs", {})
        schemas.append(schema)
    top = schemas[0] if kind else {"oneOf": schemas}
    return {"$schema": _DIALECT, "title": kind or "leanplum-sync", **top, "$defs": definitions}
